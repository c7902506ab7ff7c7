"""The two servings of the contract tests, each started once in a test process."""

from collections.abc import Iterator

import pytest

from tests.contract.serving import Serving, local_gateway, local_serving, scripted_serving
from tests.contract.tap import Tap


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with local_gateway(tmp_path_factory.mktemp("local")) as gateway:
        yield local_serving(gateway)


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with scripted_serving(tmp_path_factory.mktemp("scripted")) as serving:
        yield serving


@pytest.fixture(params=["scripted", "local"])
def serving(request: pytest.FixtureRequest) -> Serving:
    """Every test that takes it runs against both."""
    chosen: Serving = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def tap(serving: Serving) -> Iterator[Tap]:
    """The official client of that serving."""
    with Tap(serving.gateway) as opened:
        yield opened
