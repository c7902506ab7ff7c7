"""`antiphon keys`, on a real database."""

import asyncio
import stat
import time
from pathlib import Path

import msgspec
import pytest

from antiphon.access.keys import digest_of
from antiphon.protocol.records import KeyRecord
from antiphon.store.keys import open_keys
from tests.cli.conftest import Cli
from tests.cli.processes import antiphon
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, stream, text_chunks


def records(data_dir: Path) -> list[KeyRecord]:
    with open_keys(f"sqlite:///{data_dir / 'antiphon.db'}") as keys:
        return list(keys.list_keys(None))


def test_created_key_stands_alone_on_standard_output(data_dir: Path) -> None:
    ended = asyncio.run(antiphon("keys", "create", "laptop"))
    text = ended.out.removesuffix("\n")
    assert ended.code == 0
    assert text.isprintable()
    assert " " not in text
    (record,) = records(data_dir)
    assert record.digest == digest_of(text)
    assert text.startswith(record.prefix)
    assert (record.name, record.tenant.id, record.expires_at, record.disabled) == ("laptop", "default", None, False)
    assert record.id in ended.err
    assert text not in ended.err


def test_data_directory_and_database_are_private(cli: Cli, data_dir: Path) -> None:
    cli("keys", "create", "laptop")
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "antiphon.db").stat().st_mode) == 0o600


def test_limits_of_a_key_are_kept(cli: Cli, data_dir: Path) -> None:
    before = int(time.time())
    done = cli(
        *("keys", "create", "ci", "--tenant", "acme", "--expires", "30d"),
        *("--models", "gpt-*, local", "--addresses", "10.0.0.0/8,::1"),
    )
    assert done.exit_code == 0, done.stderr
    (record,) = records(data_dir)
    assert (record.tenant.id, record.models, record.addresses) == ("acme", ("gpt-*", "local"), ("10.0.0.0/8", "::1"))
    assert record.expires_at is not None
    assert 0 <= record.expires_at - before - 30 * 86_400 < 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--expires", "2001-01-01"], "2001-01-01 00:00 UTC is in the past"),
        (["--expires", "soon"], "`soon` is not a span such as `30d`"),
        (["--addresses", "10.0.0.0/8,there"], "`there` is not an IP address or a network"),
        (["--tenant", "a b"], "--tenant: expected up to 64 letters"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_made(cli: Cli, data_dir: Path, arguments: list[str], message: str) -> None:
    done = cli("keys", "create", "x", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert not data_dir.exists()


@pytest.mark.parametrize("name", ["", "  ", "a\x1bb", "x" * 101])
def test_name_that_cannot_be_shown_is_refused(cli: Cli, name: str) -> None:
    done = cli("keys", "create", name)
    assert done.exit_code == 2
    assert "printable characters" in done.stderr


def test_list_shows_state_and_limits_but_no_key(cli: Cli) -> None:
    text = cli("keys", "create", "one", "--models", "gpt-*").stdout.strip()
    cli("keys", "create", "two", "--tenant", "acme", "--expires", "2099-01-01")
    cli("keys", "disable", "two")
    cli("keys", "create", "three")
    cli("keys", "revoke", "three")
    head, one, two, three = cli("keys", "list").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "TENANT", "BEGINS", "STATE", "CREATED", "EXPIRES", "MODELS", "ADDRESSES"]
    assert one.split()[1:3] == ["one", "default"]
    assert "active" in one
    assert one.split()[-3:] == ["never", "gpt-*", "any"]
    assert text not in one
    assert "disabled" in two
    assert "2099-01-01 00:00" in two
    assert "revoked" in three


def test_list_as_json_holds_everything_but_the_digest(cli: Cli) -> None:
    cli("keys", "create", "one", "--tenant", "acme", "--models", "gpt-*")
    cli("keys", "create", "two")
    listed = msgspec.json.decode(cli("keys", "list", "--json", "--tenant", "acme").stdout)
    assert [key["name"] for key in listed] == ["one"]
    assert listed[0]["tenant"] == "acme"
    assert listed[0]["models"] == ["gpt-*"]
    assert listed[0]["state"] == "active"
    assert "digest" not in listed[0]


def test_empty_list_says_how_to_make_a_key(cli: Cli) -> None:
    done = cli("keys", "list")
    assert done.stdout == ""
    assert "antiphon keys create NAME" in done.stderr
    assert cli("keys", "list", "--json").stdout == "[]\n"


@pytest.mark.parametrize("how", ["id", "name", "prefix", "shown", "text", "id_start"])
def test_key_is_found_by_id_name_and_beginning(cli: Cli, data_dir: Path, how: str) -> None:
    text = cli("keys", "create", "laptop").stdout.strip()
    cli("keys", "create", "other")
    record = records(data_dir)[0]
    names = {
        "id": record.id,
        "name": "laptop",
        "prefix": record.prefix,
        "shown": f"{record.prefix}…",
        "text": text,
        "id_start": record.id[:-3],
    }
    done = cli("keys", "revoke", names[how])
    assert done.exit_code == 0, done.stderr
    assert "Revoked key 'laptop'" in done.stderr
    laptop, other = records(data_dir)
    assert laptop.revoked_at is not None
    assert other.revoked_at is None


def test_ambiguous_name_is_refused_with_the_candidates(cli: Cli, data_dir: Path) -> None:
    cli("keys", "create", "ci")
    cli("keys", "create", "ci", "--tenant", "acme")
    done = cli("keys", "revoke", "ci")
    assert done.exit_code == 1
    assert "`ci` means several keys" in done.stderr
    first, second = records(data_dir)
    assert first.id in done.stderr
    assert second.id in done.stderr
    assert first.revoked_at is None
    assert second.revoked_at is None
    assert cli("keys", "revoke", "ci", "--tenant", "acme").exit_code == 0
    assert [record.revoked_at is None for record in records(data_dir)] == [True, False]


def test_name_means_the_key_that_is_left_after_its_namesake_was_revoked(cli: Cli, data_dir: Path) -> None:
    cli("keys", "create", "ci")
    cli("keys", "revoke", "ci")
    cli("keys", "create", "ci")
    assert cli("keys", "disable", "ci").exit_code == 0
    assert [record.disabled for record in records(data_dir)] == [False, True]


@pytest.mark.parametrize("action", ["revoke", "disable", "enable"])
def test_revoked_key_stays_revoked(cli: Cli, action: str) -> None:
    cli("keys", "create", "ci")
    cli("keys", "revoke", "ci")
    done = cli("keys", action, "ci")
    assert done.exit_code == 1
    assert "Key `ci` is revoked, which is for good." in done.stderr


@pytest.mark.parametrize("wanted", ["nobody", "sk-", "k"])
def test_unknown_key_is_told(cli: Cli, wanted: str) -> None:
    cli("keys", "create", "ci")
    done = cli("keys", "revoke", wanted)
    assert done.exit_code == 1
    assert f"There is no key `{wanted}`" in done.stderr


def test_disabled_key_can_be_enabled(cli: Cli, data_dir: Path) -> None:
    cli("keys", "create", "ci")
    assert "Disabled key 'ci'" in cli("keys", "disable", "ci").stderr
    assert records(data_dir)[0].disabled
    assert "Enabled key 'ci'" in cli("keys", "enable", "ci").stderr
    assert not records(data_dir)[0].disabled


def test_key_made_while_the_gateway_runs_works_at_once(cli: Cli, data_dir: Path) -> None:
    data_dir.mkdir()
    with ThreadedUpstream(stream(*text_chunks("Hello"))) as up, Gateway(up.url, data_dir) as gateway:
        text = cli("keys", "create", "late").stdout.strip()
        assert gateway.create(input="Hi", stream=True, key=text).status == 200
