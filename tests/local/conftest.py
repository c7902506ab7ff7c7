"""The model file that tests of the local model share."""

from pathlib import Path

import pytest

from tests.helpers.local_model import local_model_path


@pytest.fixture(scope="session")
def model_file() -> Path:
    return local_model_path()
