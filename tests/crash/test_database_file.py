"""What keeps a SQLite file whole while several processes have it open."""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text

from antiphon.store.base import StoreSettings, open_database
from antiphon.store.migrate import migrate

_READ_AND_CLOSE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM runs").fetchall()
connection.close()
"""


def test_process_that_closes_the_database_leaves_the_log_to_those_that_still_write(tmp_path: Path) -> None:
    # Who closes last empties the log into the database and deletes it. Were it deleted under a gateway that has it
    # open, all that is committed from then on would go into a file without a name, and be lost at a kill.
    file, log = tmp_path / "state.db", tmp_path / "state.db-wal"
    url = f"sqlite:///{file}"
    migrate(url)
    database = open_database(url, StoreSettings())

    async def other_process() -> int:
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", _READ_AND_CLOSE, str(file))
        return await other.wait()

    try:
        # More than one connection: each later one must leave the locks of the earlier ones alone.
        with database.writer.connect() as writer, database.reader.connect() as one, database.reader.connect() as two:
            for connection in (writer, one, two):
                connection.execute(text("SELECT count(*) FROM runs"))
            before = log.stat().st_ino
            assert asyncio.run(other_process()) == 0
            assert log.stat().st_ino == before
    finally:
        database.close()


def test_database_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    migrate(f"sqlite:///{file}")

    assert file.stat().st_mode & 0o777 == 0o600
