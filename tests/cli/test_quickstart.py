"""The key of a first start."""

from pathlib import Path

import pytest

from antiphon.access.keys import digest_of
from antiphon.cli.quickstart import quickstart_key
from antiphon.config.load import load
from antiphon.config.settings import Settings
from antiphon.protocol.records import KeyRecord, Tenant
from antiphon.store.keys import open_keys
from tests.helpers.gateway import add_key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {"ANTIPHON_DATA_DIR": str(tmp_path)})


def known(settings: Settings) -> list[KeyRecord]:
    with open_keys(settings.database_url) as keys:
        return list(keys.list_keys(None))


def test_key_is_made_once_and_found_again(settings: Settings) -> None:
    first = quickstart_key(settings)
    again = quickstart_key(settings)
    assert first is not None
    assert again is not None
    assert (first.is_new, again.is_new) == (True, False)
    assert first.text == again.text
    assert [record.digest for record in known(settings)] == [digest_of(first.text)]
    assert first.file.stat().st_mode & 0o777 == 0o600


def test_no_key_is_made_where_there_is_another(settings: Settings) -> None:
    add_key(settings.database_url)
    assert quickstart_key(settings) is None
    assert len(known(settings)) == 1


def test_revoked_key_is_not_offered_and_not_made_again(settings: Settings) -> None:
    assert quickstart_key(settings) is not None
    with open_keys(settings.database_url) as keys:
        keys.revoke_key(Tenant("default"), keys.list_keys(None)[0].id, at=1)
    assert quickstart_key(settings) is None


def test_key_file_without_its_database_is_replaced(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "quickstart.key").write_text("sk-of-a-database-that-is-gone\n")
    made = quickstart_key(settings)
    assert made is not None
    assert made.is_new
    assert made.file.read_text().strip() == made.text
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert [record.digest for record in known(settings)] == [digest_of(made.text)]
