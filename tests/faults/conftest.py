"""One stage for all tests of a module: its provider does what each of them scripts."""

from collections.abc import Iterator

import pytest

from tests.faults.house import House, open_house
from tests.faults.upstreams import Stage, open_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Limits are short, so that silence is noticed soon."""
    limits = {"first_byte_s": 0.3, "idle_s": 0.3, "connect_s": 1, "run_s": 60}
    with open_stage(tmp_path_factory.mktemp("stage"), limits=limits) as opened:
        yield opened


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The same before all kinds of upstreams. Its limits allow for a machine that is busy."""
    limits = {"first_byte_s": 0.5, "idle_s": 0.5, "connect_s": 1, "run_s": 60}
    with open_house(tmp_path_factory.mktemp("house"), limits=limits) as opened:
        yield opened
