import asyncio

import pytest

from antiphon.protocol.faults import StoreFault
from antiphon.protocol.records import KeyId
from antiphon.store.keys import open_keys
from antiphon.store.sql import SqlStore
from tests.store.making import ANNA, BEN, NOW, a_key, opened, writes_blocked


def test_a_key_is_found_by_its_digest_as_it_was_added(url: str) -> None:
    with open_keys(url) as table:
        key = a_key(expires_at=NOW + 5, models=("gpt-*", "o3"), addresses=("10.0.0.0/8", "::1"))
        table.add_key(key)
        assert table.find_key(key.digest) == key
        assert table.find_key(b"\x00" * 32) is None


def test_every_change_raises_the_version_and_nothing_else_does(url: str) -> None:
    with open_keys(url) as table:
        versions = [table.keys_version()]

        def grew() -> bool:
            versions.append(table.keys_version())
            return versions[-1] > versions[-2]

        key = a_key()
        table.add_key(key)
        assert grew()
        table.list_keys(None)
        assert not grew()
        assert table.set_key_disabled(ANNA, key.id, disabled=True)
        assert grew()
        assert not table.set_key_disabled(ANNA, KeyId("none"), disabled=True)
        assert not grew()
        assert table.revoke_key(ANNA, key.id, at=NOW)
        assert grew()
        assert not table.revoke_key(ANNA, key.id, at=NOW + 1)
        assert not grew()


def test_a_disabled_key_can_come_back_and_a_revoked_one_keeps_its_date(url: str) -> None:
    with open_keys(url) as table:
        key = a_key()
        table.add_key(key)
        table.set_key_disabled(ANNA, key.id, disabled=True)
        found = table.find_key(key.digest)
        assert found is not None
        assert found.disabled
        table.set_key_disabled(ANNA, key.id, disabled=False)
        assert table.find_key(key.digest) == key
        table.revoke_key(ANNA, key.id, at=NOW + 3)
        table.revoke_key(ANNA, key.id, at=NOW + 9)
        found = table.find_key(key.digest)
        assert found is not None
        assert found.revoked_at == NOW + 3


def test_keys_are_listed_by_tenant_and_changed_by_their_tenant_alone(url: str) -> None:
    with open_keys(url) as table:
        mine, theirs = a_key("key_a"), a_key("key_b", tenant=BEN)
        table.add_key(mine)
        table.add_key(theirs)
        assert table.list_keys(None) == [mine, theirs]
        assert table.list_keys(ANNA) == [mine]
        assert not table.revoke_key(ANNA, theirs.id, at=NOW)
        assert not table.set_key_disabled(ANNA, theirs.id, disabled=True)
        assert table.list_keys(BEN) == [theirs]


def test_a_second_key_with_the_same_id_or_digest_is_refused(url: str) -> None:
    with open_keys(url) as table:
        key = a_key()
        table.add_key(key)
        before = table.keys_version()
        for twin in (a_key(), a_key("key_2", digest=key.digest)):
            with pytest.raises(StoreFault) as caught:
                table.add_key(twin)
            assert key.digest.hex() not in caught.value.detail
        assert table.keys_version() == before
        assert table.list_keys(None) == [key]


def test_the_store_offers_the_same_as_coroutines(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store, opened(url) as other:
            key = a_key()
            before = await store.keys_version()
            await other.add_key(key)
            assert await store.keys_version() > before
            assert await store.find_key(key.digest) == key
            assert await store.list_keys(ANNA) == [key]
            assert await other.set_key_disabled(ANNA, key.id, disabled=True)
            assert await other.revoke_key(ANNA, key.id, at=NOW)
            found = await store.find_key(key.digest)
            assert found is not None
            assert (found.disabled, found.revoked_at) == (True, NOW)

    asyncio.run(main())


def test_keys_are_read_while_writes_are_blocked(url: str) -> None:
    async def find(store: SqlStore) -> None:
        assert await store.find_key(b"\x00" * 32) is None
        assert await store.keys_version() == 0

    async def main() -> None:
        async with opened(url) as store:
            with writes_blocked(url):
                await find(store)

    asyncio.run(main())


def test_no_store_can_be_opened_where_there_is_none() -> None:
    with pytest.raises(ValueError, match="not a URL"), open_keys("nowhere"):
        pass
