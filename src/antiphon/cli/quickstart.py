"""The key of a first start: made while there is no other, kept in a file that only its owner can read."""

import os
from pathlib import Path

from msgspec import Struct

from antiphon.access.alone import alone_in
from antiphon.access.keys import digest_of, generate
from antiphon.config.settings import Settings
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.protocol.records import KeyId, KeyRecord, Tenant
from antiphon.store.keys import KeyTable, open_keys

__all__ = ["KEY_FILE", "QUICKSTART", "QuickstartKey", "quickstart_key"]

#: The key's name.
QUICKSTART = "quickstart"
#: In the data directory.
KEY_FILE = "quickstart.key"


class QuickstartKey(Struct, frozen=True):
    """The key, and whether this start made it."""

    text: str
    file: Path
    is_new: bool


def quickstart_key(settings: Settings) -> QuickstartKey | None:
    """The quickstart key: made while the database holds no key at all, else the one in the file if it still works.

    Blocks. Brings the database up to date. Raises `StoreFault`, `OSError`, and `ValueError` (safe to show) for an
    address that cannot be a database.
    """
    file = settings.data_path / KEY_FILE
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)  # where the database is elsewhere, nobody has yet
    # Gateways that start at once must not each make a key, nor take away another's file.
    with open_keys(settings.database_url) as keys, alone_in(settings.data_path):
        known = keys.list_keys(None)
        text = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if known:
            alive = {record.digest for record in known if not record.disabled and record.revoked_at is None}
            return QuickstartKey(text, file, is_new=False) if digest_of(text) in alive else None
        if file.exists():  # of a start that was cut short, or of a database that is gone
            file.unlink()
        return QuickstartKey(_make(keys, file), file, is_new=True)


def _make(keys: KeyTable, file: Path) -> str:
    text, digest, prefix = generate()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text + "\n")
    keys.add_key(
        KeyRecord(
            id=KeyId("key_" + SystemIds().new_response_id().hex()),
            tenant=Tenant("default"),
            name=QUICKSTART,
            prefix=prefix,
            digest=digest,
            created_at=SystemClock().now(),
        )
    )
    return text
