"""`antiphon keys`: the keys of clients, directly in the store. A running gateway notices within seconds."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from antiphon.cli.key_names import find_key, state_of
from antiphon.cli.moments import ACCEPTED, future
from antiphon.cli.options import config_option, json_option, settings_from, store_url, tenant_option
from antiphon.cli.output import Column, date_of, note, print_json, print_table
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.protocol.records import KeyId, KeyRecord, Tenant

if TYPE_CHECKING:
    from antiphon.store.keys import KeyTable

__all__ = ["command", "create", "disable", "enable", "list_all", "revoke"]

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_LONGEST_NAME = 100


@click.group("keys")
def command() -> None:
    """Make, list, stop and revoke the keys of clients. Works while the gateway runs."""


@command.command("create")
@click.argument("name")
@config_option
@click.option("--tenant", default="default", show_default=True, metavar="NAME", help="Who owns what is made with it.")
@click.option("--expires", type=future, metavar="WHEN", help=f"When it ends: {ACCEPTED}. Default: never.")
@click.option("--models", default="", metavar="PATTERN,...", help="Models it may use, `*` allowed. Default: all.")
@click.option("--addresses", default="", metavar="CIDR,...", help="Where it may be used from. Default: anywhere.")
def create(config: Path | None, name: str, *, tenant: str, expires: int | None, models: str, addresses: str) -> None:
    """Make a key and print it, once: only its digest is kept."""
    from antiphon.access.keys import generate  # noqa: PLC0415 - what is behind it takes a moment to import

    now = SystemClock().now()
    if expires is not None and expires <= now:
        raise click.UsageError(f"--expires: {date_of(expires)} UTC is in the past.")
    text, digest, prefix = generate()
    record = KeyRecord(
        id=KeyId("key_" + SystemIds().new_response_id().hex()),
        tenant=Tenant(_checked_tenant(tenant)),
        name=_checked_name(name),
        prefix=prefix,
        digest=digest,
        created_at=now,
        expires_at=expires,
        models=_items(models),
        addresses=_networks(addresses),
    )
    with _opened(config) as keys:
        keys.add_key(record)
    click.echo(text)
    note(f"Made key '{record.name}' ({record.id}). It is shown this once; keep it.")


@command.command("list")
@config_option
@tenant_option
@json_option
def list_all(config: Path | None, tenant: str | None, as_json: bool) -> None:
    """List keys, oldest first. Keys themselves are not kept, only how they begin."""
    with _opened(config) as keys:
        records = keys.list_keys(None if tenant is None else Tenant(tenant))
    now = SystemClock().now()
    if as_json:
        print_json([_public(record, now) for record in records])
        return
    if not records:
        note("There are no keys. Make one: antiphon keys create NAME")
        return
    titles = ("id", "name", "tenant", "begins", "state", "created", "expires", "models", "addresses")
    print_table([Column(title) for title in titles], [_row(record, now) for record in records])


@command.command("revoke")
@click.argument("key", metavar="ID|NAME|PREFIX")
@config_option
@tenant_option
def revoke(config: Path | None, key: str, tenant: str | None) -> None:
    """End a key for good."""
    with _opened(config) as keys:
        record = _found(keys, key, tenant=tenant)
        if not keys.revoke_key(record.tenant, record.id, at=SystemClock().now()):
            raise click.ClickException(f"Key '{record.name}' was revoked by somebody else just now.")
    note(f"Revoked key '{record.name}' ({record.prefix}…, tenant {record.tenant.id}).")


@command.command("disable")
@click.argument("key", metavar="ID|NAME|PREFIX")
@config_option
@tenant_option
def disable(config: Path | None, key: str, tenant: str | None) -> None:
    """Stop a key until it is enabled again."""
    _switch(config, key, tenant=tenant, disabled=True)


@command.command("enable")
@click.argument("key", metavar="ID|NAME|PREFIX")
@config_option
@tenant_option
def enable(config: Path | None, key: str, tenant: str | None) -> None:
    """Let a disabled key work again."""
    _switch(config, key, tenant=tenant, disabled=False)


def _switch(config: Path | None, key: str, *, tenant: str | None, disabled: bool) -> None:
    with _opened(config) as keys:
        record = _found(keys, key, tenant=tenant)
        keys.set_key_disabled(record.tenant, record.id, disabled=disabled)
    state = "Disabled" if disabled else "Enabled"
    note(f"{state} key '{record.name}' ({record.prefix}…, tenant {record.tenant.id}).")


@contextmanager
def _opened(config: Path | None) -> Iterator["KeyTable"]:
    from antiphon.store.keys import open_keys  # noqa: PLC0415 - SQLAlchemy takes longer than all else

    with ExitStack() as stack:
        try:
            keys = stack.enter_context(open_keys(store_url(settings_from(config))))
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        yield keys


def _found(keys: "KeyTable", wanted: str, *, tenant: str | None) -> KeyRecord:
    return find_key(keys.list_keys(None if tenant is None else Tenant(tenant)), wanted, now=SystemClock().now())


def _row(record: KeyRecord, now: int) -> Sequence[str]:
    return (
        record.id,
        record.name,
        record.tenant.id,
        f"{record.prefix}…",
        state_of(record, now),
        date_of(record.created_at),
        date_of(record.expires_at, missing="never"),
        ",".join(record.models) or "all",
        ",".join(record.addresses) or "any",
    )


def _public(record: KeyRecord, now: int) -> Mapping[str, object]:
    fields: dict[str, object] = structs.asdict(record)
    del fields["digest"]
    return {**fields, "tenant": record.tenant.id, "state": state_of(record, now)}


def _checked_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise click.UsageError(f"NAME: expected up to {_LONGEST_NAME} printable characters.")
    return name.strip()


def _checked_tenant(tenant: str) -> str:
    if _TENANT.fullmatch(tenant) is None:
        raise click.UsageError("--tenant: expected up to 64 letters, digits, `_`, `.`, `@` and `-`.")
    return tenant


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for part in text.split(",") if (item := part.strip()))


def _networks(text: str) -> tuple[str, ...]:
    networks = _items(text)
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            expected = "an IP address or a network such as 10.0.0.0/8"
            raise click.UsageError(f"--addresses: `{network}` is not {expected}.") from error
    return networks
