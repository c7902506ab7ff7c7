"""Which key a person means by an id, a name or the first characters of a key."""

from collections.abc import Iterable, Sequence

import click

from antiphon.cli.output import date_of
from antiphon.protocol.records import KeyRecord

__all__ = ["find_key", "state_of"]

#: Fewer characters than this all keys have in common.
_SHORTEST_PREFIX = 4


def find_key(records: Sequence[KeyRecord], wanted: str, *, now: int) -> KeyRecord:
    """The one key meant among those not revoked: by id, else by name, else by how it (or its id) begins.

    Raises `ClickException` when there is none, and when there are several: then with all of them.
    """
    usable = [record for record in records if record.revoked_at is None]
    for found in _readings(usable, wanted):
        if len(found) == 1:
            return found[0]
        if found:
            raise click.ClickException(f"`{wanted}` means several keys. Name one by its id:\n" + _lines(found, now=now))
    if any(_readings([record for record in records if record.revoked_at is not None], wanted)):
        raise click.ClickException(f"Key `{wanted}` is revoked, which is for good.")
    raise click.ClickException(f"There is no key `{wanted}`. All of them: antiphon keys list")


def state_of(record: KeyRecord, now: int) -> str:
    """In one word."""
    if record.revoked_at is not None:
        return "revoked"
    if record.expires_at is not None and record.expires_at <= now:
        return "expired"
    return "disabled" if record.disabled else "active"


def _readings(records: Sequence[KeyRecord], wanted: str) -> Iterable[list[KeyRecord]]:
    """What the word may mean, the surest reading first."""
    yield [record for record in records if record.id == wanted]
    yield [record for record in records if record.name == wanted]
    yield [record for record in records if _begins(record, wanted)]


def _begins(record: KeyRecord, wanted: str) -> bool:
    """By what lists show of a key, or by a whole key that was pasted; or by its id."""
    shown = wanted.rstrip("…")
    if len(shown) < _SHORTEST_PREFIX:
        return False
    return record.prefix.startswith(shown) or shown.startswith(record.prefix) or record.id.startswith(shown)


def _lines(records: Sequence[KeyRecord], *, now: int) -> str:
    return "\n".join(
        f"  {record.id}  {record.name}  {record.prefix}…  tenant {record.tenant.id}, "
        f"{state_of(record, now)}, made {date_of(record.created_at)}"
        for record in records
    )
