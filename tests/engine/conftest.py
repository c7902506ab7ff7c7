"""One stage for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.engine.stage import Stage, open_stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("stage"), quirks=("openai", "deepseek")) as opened:
        yield opened
