import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon.access.keys import KeyRing, digest_of, generate
from antiphon.access.principal import Principal
from antiphon.protocol.faults import AccessFault, StoreFault
from antiphon.protocol.records import KeyId, KeyRecord, Tenant
from antiphon.store.sql import SqlStore

ANNA = Tenant("anna")
HOME = "192.0.2.7"


class FakeClock:
    """Time that stands until a test moves it."""

    def __init__(self) -> None:
        self.uptime = 1000.0
        self.today = 1_800_000_000

    def monotonic(self) -> float:
        return self.uptime

    def now(self) -> int:
        return self.today


class Desk:
    """A real store that counts what it is asked, can be away, and can be slow to answer."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.finds = 0
        self.away = False
        self.answered = asyncio.Event()
        self.before_answer: asyncio.Event | None = None

    async def find_key(self, digest: bytes) -> KeyRecord | None:
        self.finds += 1
        if self.away:
            raise StoreFault("away")
        found = await self.store.find_key(digest)
        self.answered.set()
        if self.before_answer is not None:
            await self.before_answer.wait()
        return found

    async def keys_version(self) -> int:
        if self.away:
            raise StoreFault("away")
        return await self.store.keys_version()


class Scene:
    """A store with one key, and a ring over it."""

    def __init__(self, store: SqlStore, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.desk = Desk(store)
        self.ring = KeyRing(self.desk, clock, capacity=20)
        self.token = ""

    async def new_key(
        self, key_id: str = "key_1", *, expires_at: int | None = None, addresses: tuple[str, ...] = ()
    ) -> str:
        text, digest, prefix = generate()
        await self.store.add_key(
            KeyRecord(
                id=KeyId(key_id),
                tenant=ANNA,
                name=f"name of {key_id}",
                prefix=prefix,
                digest=digest,
                created_at=0,
                expires_at=expires_at,
                models=("gpt-*",),
                addresses=addresses,
            )
        )
        return text

    async def refused(self, token: str, address: str = HOME) -> AccessFault:
        assert self.ring.cached(token, address) is None
        with pytest.raises(AccessFault) as caught:
            await self.ring.authenticate(token, address)
        return caught.value


@asynccontextmanager
async def a_scene(directory: Path) -> AsyncIterator[Scene]:
    clock = FakeClock()
    store = SqlStore.open(f"sqlite:///{directory / 'state.db'}", clock)
    try:
        scene = Scene(store, clock)
        scene.token = await scene.new_key()
        await scene.ring.poll()
        yield scene
    finally:
        await store.close()


def facts(fault: AccessFault) -> tuple[object, ...]:
    return fault.status, fault.type, fault.code, fault.param, fault.message, fault.retry_after_s


def test_a_generated_key_has_its_shape_and_is_never_the_same() -> None:
    made = [generate() for _ in range(100)]
    for text, digest, prefix in made:
        assert re.fullmatch(r"sk-[A-Za-z0-9_-]{48}", text)
        assert digest == hashlib.sha256(text.encode()).digest() == digest_of(text)
        assert prefix == text[:8]
    assert len({text for text, _, _ in made}) == 100


def test_a_known_key_is_recognised_without_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            assert scene.ring.cached(scene.token, HOME) is None
            principal = await scene.ring.authenticate(scene.token, HOME)
            assert principal == Principal(ANNA, KeyId("key_1"), "name of key_1", ("gpt-*",))
            assert scene.ring.cached(scene.token, HOME) is principal
            assert await scene.ring.authenticate(scene.token, HOME) is principal
            assert scene.desk.finds == 1

    asyncio.run(main())


def test_no_key_is_401_missing(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            fault = await scene.refused("")
            assert (fault.status, fault.type, fault.code) == (401, "authentication_error", "missing_api_key")

    asyncio.run(main())


def test_unknown_revoked_expired_and_disabled_keys_get_one_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            revoked, disabled = await scene.new_key("key_r"), await scene.new_key("key_d")
            expired = await scene.new_key("key_e", expires_at=scene.clock.today)
            await scene.store.revoke_key(ANNA, KeyId("key_r"), at=1)
            await scene.store.set_key_disabled(ANNA, KeyId("key_d"), disabled=True)
            await scene.ring.poll()
            bad = [
                "sk-unknown",
                generate()[0],
                "x" * 100_000,
                "\ud800",
                "\x00",
                scene.token + " ",
                revoked,
                disabled,
                expired,
            ]
            answers = {facts(await scene.refused(token)) for token in [*bad, *bad]}
            assert len(answers) == 1
            assert answers.pop()[:3] == (401, "authentication_error", "invalid_api_key")

    asyncio.run(main())


def test_a_known_key_expires_by_the_clock(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            token = await scene.new_key("key_e", expires_at=scene.clock.today + 10)
            await scene.ring.poll()
            await scene.ring.authenticate(token, HOME)
            scene.clock.today += 9
            assert scene.ring.cached(token, HOME) is not None
            scene.clock.today += 1
            assert (await scene.refused(token)).code == "invalid_api_key"

    asyncio.run(main())


def test_an_address_off_the_list_is_403_also_for_a_known_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            token = await scene.new_key("key_n", addresses=("192.0.2.0/24",))
            await scene.ring.poll()
            for _ in range(2):
                fault = await scene.refused(token, "198.51.100.1")
                assert (fault.status, fault.type, fault.code) == (403, "permission_error", "ip_not_allowed")
                await scene.ring.authenticate(token, "::ffff:192.0.2.9")
            assert scene.ring.cached(token, HOME) is not None

    asyncio.run(main())


def test_a_key_whose_address_list_is_broken_is_our_fault_and_not_the_clients(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            token = await scene.new_key("key_b", addresses=("192.0.2.0/99",))
            with pytest.raises(StoreFault) as caught:
                await scene.ring.authenticate(token, HOME)
            assert "key_b" in caught.value.detail

    asyncio.run(main())


@pytest.mark.parametrize("how", ["revoked", "disabled"])
def test_a_key_stops_working_at_the_next_poll_of_every_ring(tmp_path: Path, how: str) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            other = SqlStore.open(f"sqlite:///{tmp_path / 'state.db'}", scene.clock)
            await scene.ring.authenticate(scene.token, HOME)
            if how == "revoked":
                await other.revoke_key(ANNA, KeyId("key_1"), at=1)
            else:
                await other.set_key_disabled(ANNA, KeyId("key_1"), disabled=True)
            await other.close()
            await scene.ring.poll()
            assert (await scene.refused(scene.token)).code == "invalid_api_key"

    asyncio.run(main())


def test_a_revoked_key_is_refused_within_a_second_of_real_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene, scene.ring:
            await scene.ring.authenticate(scene.token, HOME)
            await scene.store.revoke_key(ANNA, KeyId("key_1"), at=1)
            async with asyncio.timeout(1):
                while scene.ring.cached(scene.token, HOME) is not None:  # noqa: ASYNC110 - its time is what is tested
                    await asyncio.sleep(0.01)
            assert (await scene.refused(scene.token)).code == "invalid_api_key"

    asyncio.run(main())


def test_a_poll_that_finds_no_change_forgets_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            await scene.ring.authenticate(scene.token, HOME)
            await scene.ring.poll()
            assert scene.ring.cached(scene.token, HOME) is not None

    asyncio.run(main())


def test_a_key_revoked_while_it_is_being_loaded_is_not_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            scene.desk.before_answer = asyncio.Event()
            loading = asyncio.ensure_future(scene.ring.authenticate(scene.token, HOME))
            await scene.desk.answered.wait()
            await scene.store.revoke_key(ANNA, KeyId("key_1"), at=1)
            await scene.ring.poll()
            scene.desk.before_answer.set()
            await loading
            assert (await scene.refused(scene.token)).code == "invalid_api_key"

    asyncio.run(main())


def test_without_the_store_known_keys_live_on_for_five_minutes(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            await scene.ring.authenticate(scene.token, HOME)
            await scene.refused("sk-wrong")
            scene.desk.away = True
            for _ in range(299):
                scene.clock.uptime += 1
                await scene.ring.poll()
            assert scene.ring.cached(scene.token, HOME) is not None
            assert (await scene.refused("sk-wrong")).code == "invalid_api_key"
            scene.clock.uptime += 1
            for token in (scene.token, "sk-wrong"):
                assert scene.ring.cached(token, HOME) is None
                with pytest.raises(StoreFault):
                    await scene.ring.authenticate(token, HOME)
            scene.desk.away = False
            await scene.ring.poll()
            await scene.ring.authenticate(scene.token, HOME)
            assert scene.ring.cached(scene.token, HOME) is not None

    asyncio.run(main())


def test_without_the_store_an_unknown_key_is_503_and_not_401(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            scene.desk.away = True
            for token in (scene.token, "sk-wrong"):
                with pytest.raises(StoreFault) as caught:
                    await scene.ring.authenticate(token, HOME)
                assert caught.value.status == 503

    asyncio.run(main())


def test_a_flood_of_wrong_keys_pushes_out_no_right_one_and_is_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            await scene.ring.authenticate(scene.token, HOME)
            for number in range(100):
                await scene.refused(f"sk-{number}")
            assert scene.ring.cached(scene.token, HOME) is not None
            assert len(scene.ring._unknown) == 20
            # The latest are remembered: asking again costs the store nothing.
            asked = scene.desk.finds
            await scene.refused("sk-99")
            assert scene.desk.finds == asked

    asyncio.run(main())


def test_the_least_recently_used_key_is_forgotten_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            tokens = [await scene.new_key(f"key_{number}") for number in range(2, 24)]
            await scene.ring.poll()
            for token in tokens[:20]:
                await scene.ring.authenticate(token, HOME)
            assert scene.ring.cached(tokens[0], HOME) is not None
            for token in tokens[20:]:
                await scene.ring.authenticate(token, HOME)
            known = [scene.ring.cached(token, HOME) is not None for token in tokens]
            assert known == [True, False, False] + [True] * 19

    asyncio.run(main())


def test_a_key_made_elsewhere_works_at_once_and_a_wrong_guess_before_does_not_last(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            text, digest, prefix = generate()
            await scene.refused(text)
            record = KeyRecord(KeyId("key_2"), ANNA, "late", prefix, digest, 0)
            await scene.store.add_key(record)
            await scene.ring.poll()
            assert (await scene.ring.authenticate(text, HOME)).key_name == "late"

    asyncio.run(main())


def test_a_poll_that_ends_on_a_bug_is_reported_when_the_ring_is_left(tmp_path: Path) -> None:
    class Broken(Desk):
        async def keys_version(self) -> int:
            raise LookupError

    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            ring = KeyRing(Broken(scene.store), scene.clock)
            with pytest.raises(LookupError):
                async with ring:
                    await ring.authenticate(scene.token, HOME)

    asyncio.run(main())


def test_a_ring_that_was_never_started_can_be_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_scene(tmp_path) as scene:
            await scene.ring.__aexit__()
            async with asyncio.TaskGroup() as tasks:
                polling = tasks.create_task(scene.ring.run())
                await asyncio.sleep(0)
                polling.cancel()

    asyncio.run(main())
