"""One gateway for all tests of a module, in front of a model that repeats what it was told."""

from collections.abc import Iterator

import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, echo_brain


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedUpstream]:
    with ThreadedUpstream(echo_brain) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: ThreadedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(upstream.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running
