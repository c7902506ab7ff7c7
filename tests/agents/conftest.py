"""One gateway and one model for every wire format, started once in a test process."""

from collections.abc import Iterator

import pytest

from tests.agents.stage import Stage


@pytest.fixture(scope="session")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("agents")) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    """With new models."""
    shared_stage.begin()
    return shared_stage
