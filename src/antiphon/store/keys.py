"""Client keys in the database: blocking, for commands; `SqlStore` offers the same as coroutines.

Every change raises the keys' version in its own transaction, which is how other processes learn of it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Update, insert, select, update

from antiphon.protocol.records import KeyId, KeyRecord, Tenant
from antiphon.store.base import Database, Patience, StoreSettings, open_database, patiently
from antiphon.store.migrate import migrate_database
from antiphon.store.tables import KEYS_COUNTER, counters, keys

__all__ = ["KeyTable", "open_keys"]

#: SQLAlchemy types ten columns at most; `_record` is where these get their types back.
_AnyRow = Row[*tuple[Any, ...]]
_AnySelect = Select[*tuple[Any, ...]]

#: In the order of `KeyRecord`'s fields.
_COLUMNS = (
    keys.c.id,
    keys.c.tenant,
    keys.c.name,
    keys.c.prefix,
    keys.c.digest,
    keys.c.created_at,
    keys.c.expires_at,
    keys.c.models,
    keys.c.addresses,
    keys.c.disabled,
    keys.c.revoked_at,
)

_NEWER_VERSION = update(counters).where(counters.c.name == KEYS_COUNTER).values(value=counters.c.value + 1)


class KeyTable:
    """The keys of all tenants. Every method blocks, and raises `StoreFault` when the database cannot answer."""

    def __init__(self, database: Database, settings: StoreSettings) -> None:
        self._database = database
        self._patience = Patience(settings.patience_s)

    @property
    def is_down(self) -> bool:
        """The database has not answered for longer than it is waited for."""
        return self._patience.is_over

    def find_key(self, digest: bytes) -> KeyRecord | None:
        """The key with this digest, usable or not. The one question without a tenant: its answer names the tenant."""
        found = self._records(select(*_COLUMNS).where(keys.c.digest == digest))
        return found[0] if found else None

    def keys_version(self) -> int:
        """A number that changes whenever any key does."""
        statement = select(counters.c.value).where(counters.c.name == KEYS_COUNTER)

        def read() -> int:
            with self._database.reader.connect() as connection:
                version: int = connection.execute(statement).scalar_one()
                return version

        return patiently(self._patience, read)

    def list_keys(self, tenant: Tenant | None) -> Sequence[KeyRecord]:
        """The tenant's keys, or (for the operator) those of all tenants; oldest first, revoked ones among them."""
        statement = select(*_COLUMNS).order_by(keys.c.row)
        return self._records(statement if tenant is None else statement.where(keys.c.tenant == tenant.id))

    def add_key(self, record: KeyRecord) -> None:
        """Keep a new key. Raises `StoreFault` when its id or digest is taken."""
        values = msgspec.structs.asdict(record)
        values["tenant"] = record.tenant.id
        values["models"] = msgspec.json.encode(record.models)
        values["addresses"] = msgspec.json.encode(record.addresses)

        def write() -> None:
            with self._database.writer.begin() as connection:
                connection.execute(insert(keys).inline(), values)
                connection.execute(_NEWER_VERSION)

        patiently(self._patience, write)

    def set_key_disabled(self, tenant: Tenant, key_id: KeyId, *, disabled: bool) -> bool:
        """Stop a key, or let it work again. False when the tenant has no such key."""
        return self._change(_named(tenant, key_id).values(disabled=disabled))

    def revoke_key(self, tenant: Tenant, key_id: KeyId, *, at: int) -> bool:
        """End a key for good. False when the tenant has no such key, or it was revoked before."""
        return self._change(_named(tenant, key_id).where(keys.c.revoked_at.is_(None)).values(revoked_at=at))

    def _records(self, statement: _AnySelect) -> Sequence[KeyRecord]:
        def read() -> Sequence[KeyRecord]:
            with self._database.reader.connect() as connection:
                return [_record(row) for row in connection.execute(statement)]

        return patiently(self._patience, read)

    def _change(self, statement: Update) -> bool:
        def write() -> bool:
            with self._database.writer.begin() as connection:
                changed = connection.execute(statement).rowcount > 0
                if changed:
                    connection.execute(_NEWER_VERSION)
                return changed

        return patiently(self._patience, write)


@contextmanager
def open_keys(url: str, settings: StoreSettings | None = None) -> Iterator[KeyTable]:
    """The keys of the database at `url`, for a command; brings the schema up to date first.

    Raises `ValueError` for an address that cannot be a store, `StoreFault` when it cannot be reached.
    """
    settings = settings or StoreSettings()
    database = open_database(url, settings)
    try:
        migrate_database(database, settings)
        yield KeyTable(database, settings)
    finally:
        database.close()


def _named(tenant: Tenant, key_id: KeyId) -> Update:
    return update(keys).where(keys.c.tenant == tenant.id, keys.c.id == key_id)


def _record(row: _AnyRow) -> KeyRecord:
    key_id, tenant, name, prefix, digest, created_at, expires_at, models, addresses, disabled, revoked_at = row
    return KeyRecord(
        id=KeyId(key_id),
        tenant=Tenant(tenant),
        name=name,
        prefix=prefix,
        digest=digest,
        created_at=created_at,
        expires_at=expires_at,
        models=msgspec.json.decode(models, type=tuple[str, ...]),
        addresses=msgspec.json.decode(addresses, type=tuple[str, ...]),
        disabled=disabled,
        revoked_at=revoked_at,
    )
