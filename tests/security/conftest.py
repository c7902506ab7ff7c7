"""One stage for all tests of a module: its provider does what each of them scripts."""

from collections.abc import Iterator

import pytest

from tests.faults.upstreams import Stage, open_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("stage")) as opened:
        yield opened
