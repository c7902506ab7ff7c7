"""One gateway and one server for all models of the matrix, started once in a test process."""

from collections.abc import Iterator

import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream
from tests.matrix.stage import Stage, providers_at


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage()
    with ThreadedUpstream(stage.play) as server:
        config = {"providers": providers_at(server.url)}
        with Gateway(None, tmp_path_factory.mktemp("matrix"), config=config) as stage.gateway:
            yield stage
