"""A gateway that searches a small web of the tests' own, and models that search."""

from collections.abc import Iterator

import pytest

from tests.engine.stage import Stage, open_stage
from tests.helpers.gateway import Gateway
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.upstream import ThreadedUpstream
from tests.helpers.web import article
from tests.matrix.stage import Stage as Matrix
from tests.matrix.stage import providers_at

BREAD = "The Gazette of Bread was founded in 1871. Its first editor was Ada Crumb."


@pytest.fixture(scope="session")
def web() -> Iterator[ThreadedWeb]:
    with ThreadedWeb() as threaded:
        page = article("Gazette of Bread", BREAD, "It appears weekly.")
        threaded.web.page("/bread", page, title="Gazette of Bread", snippet="The bread weekly.", host="127.0.0.1")
        yield threaded


def search_in(web: ThreadedWeb) -> dict[str, object]:
    """The settings of a gateway that searches there, and reads its pages."""
    return {
        "engine": "searxng",
        "url": web.web.search_url,
        "allow": ["127.0.0.1"],
        "ports": [web.web.port],
        "robots": False,
        "cost_per_1000": 5,
    }


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[Stage]:
    with open_stage(
        tmp_path_factory.mktemp("hosted"), config={"web_search": search_in(web), "retries": {"attempts": 3}}
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def hosted(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[Matrix]:
    """Models of all wire formats; what their vendors would search, the gateway does."""
    matrix = Matrix()
    with ThreadedUpstream(matrix.play) as server:
        providers = {name: {**one, "hosted_tools": "gateway"} for name, one in providers_at(server.url).items()}
        config = {"providers": providers, "web_search": search_in(web), "retries": {"attempts": 3}}
        with Gateway(None, tmp_path_factory.mktemp("matrix"), config=config) as matrix.gateway:
            yield matrix
