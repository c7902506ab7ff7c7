"""A real Postgres server, and the real local model, for gateways that are killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.local_model import local_model_path
from tests.store.conftest import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def model_file() -> Path:
    return local_model_path()
