"""A gateway that searches a small web of the tests' own, and models that search."""

from collections.abc import Iterator

import pytest

from tests.engine.stage import Stage, open_stage
from tests.helpers.threaded_web import ThreadedWeb
from tests.helpers.web import article

BREAD = "The Gazette of Bread was founded in 1871. Its first editor was Ada Crumb."


@pytest.fixture(scope="session")
def web() -> Iterator[ThreadedWeb]:
    with ThreadedWeb() as threaded:
        page = article("Gazette of Bread", BREAD, "It appears weekly.")
        threaded.web.page("/bread", page, title="Gazette of Bread", snippet="The bread weekly.", host="127.0.0.1")
        yield threaded


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, web: ThreadedWeb) -> Iterator[Stage]:
    search = {
        "engine": "searxng",
        "url": web.web.search_url,
        "allow": ["127.0.0.1"],
        "ports": [web.web.port],
        "robots": False,
        "cost_per_1000": 5,
    }
    with open_stage(tmp_path_factory.mktemp("hosted"), config={"web_search": search}) as opened:
        yield opened
