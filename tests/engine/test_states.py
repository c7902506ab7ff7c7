"""Whose state a target may see, and what becomes of requests when the store cannot say what is missing."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from msgspec import structs

from antiphon.config.secret import Secret
from antiphon.engine.seal import Origin, Sealer
from antiphon.engine.states import NOBODY, StateOpener, at_home, rejoined
from antiphon.engine.thoughts import Keeper, wants_back
from antiphon.protocol.carried import carry
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.items import InputItem, ItemState, decode_item
from antiphon.protocol.records import Tenant
from antiphon.protocol.target import Credential, Target
from antiphon.store.sql import SqlStore
from tests.store.making import FakeClock

ANNA = Tenant("anna")
SEALER = Sealer([b"k" * 32])
HOME = Target(
    "claude", "opus", "anthropic", "anthropic", "https://host", credential=Credential("KEY_A", Secret("sk-a"))
)


def thought(*, provider: str | None = "claude", state: ItemState | None = None, **fields: Any) -> InputItem:
    raw = msgspec.json.encode({"type": "reasoning", "summary": [], **fields})
    return InputItem(decode_item(raw, path="input[0]"), raw, "input[0]", provider, state)


def mine(**changes: str) -> ItemState:
    return structs.replace(ItemState(b"payload", "opus", "KEY_A"), **changes)


@pytest.mark.parametrize("protocol", ["anthropic", ""], ids=["the same", "of a time when there was only one"])
def test_a_state_goes_home(protocol: str) -> None:
    item = thought(state=mine(protocol=protocol))
    assert at_home([item], HOME) == ((item,), [])


@pytest.mark.parametrize(
    "item",
    [
        thought(state=mine(model="sonnet")),
        thought(state=mine(credential="KEY_B")),
        thought(state=mine(protocol="chat")),
        thought(state=mine(), provider="bedrock"),
        thought(state=mine(), provider=None),
    ],
    ids=["another model", "another account", "another dialect", "another provider", "nobody"],
)
def test_a_state_goes_nowhere_else(item: InputItem) -> None:
    (seen,), (notice,) = at_home([item], HOME)
    assert seen.state is None
    assert (notice.where, notice.kind, notice.reason) == ("input[0]", "dropped", "foreign_reasoning")


def test_a_thought_in_clear_of_another_provider_is_told_of_once() -> None:
    item = structs.replace(thought(provider="other"), path="previous_response_id")
    seen, notices = at_home([item, item], HOME)
    assert seen == (item, item)
    assert [notice.where for notice in notices] == ["previous_response_id"]


def test_a_blob_that_others_sealed_is_left_to_those_who_speak_responses() -> None:
    item = thought(provider=None, encrypted_content="gAAAAA")
    (seen,), (notice,) = at_home([item], HOME)
    assert seen.provider == NOBODY
    assert notice.reason == "foreign_reasoning"
    assert at_home([item], structs.replace(HOME, protocol="responses")) == ((item,), [])


def test_an_envelope_brings_its_provider_along_even_where_nothing_is_wanted_back() -> None:
    envelope = SEALER.seal(ANNA, Origin("deepseek", "r1", "K"), b"")
    opened = StateOpener(SEALER, ANNA).item(thought(provider=None, encrypted_content=envelope))
    assert (opened.provider, opened.state) == ("deepseek", None)


def test_an_envelope_that_does_not_open_is_nobodys() -> None:
    opener = StateOpener(SEALER, Tenant("ben"))
    envelope = SEALER.seal(ANNA, Origin("claude", "opus", "KEY_A"), b"payload")
    opened = opener.item(thought(provider=None, encrypted_content=envelope))
    assert (opened.provider, opened.state) == (NOBODY, None)
    assert [notice.reason for notice in opener.notices] == ["foreign_seal"]
    assert at_home([opened], HOME)[1] == []  # told of once


def said(role: str) -> InputItem:
    raw = msgspec.json.encode({"type": "message", "role": role, "content": "Hi"})
    return InputItem(decode_item(raw, path="input[0]"), raw, "input[0]")


def carrier() -> InputItem:
    return thought(state=ItemState(carry(b"payload"), "opus", "KEY_A"))


def test_what_was_carried_behind_a_message_belongs_to_it_again() -> None:
    message, plain = said("assistant"), thought(state=mine())
    (seen, kept) = rejoined((message, carrier(), plain))
    assert seen == structs.replace(message, provider="claude", state=mine())
    assert kept is plain
    assert at_home([seen], HOME) == ((seen,), [])


@pytest.mark.parametrize(
    "before", [(), (said("user"),), (thought(state=mine()),)], ids=["nothing", "user", "another thought"]
)
def test_what_was_carried_behind_a_message_that_is_gone_is_left_out(before: tuple[InputItem, ...]) -> None:
    assert rejoined((*before, carrier())) == before


def test_items_without_anything_carried_stay_as_they_are() -> None:
    items = (said("assistant"), thought(state=mine()), thought())
    assert rejoined(items) is items


@pytest.mark.parametrize(
    ("protocol", "quirks", "wants"),
    [
        ("chat", "openai", False),
        ("chat", "deepseek", True),
        ("chat", "gemini", True),
        ("anthropic", "anthropic", True),
        ("responses", "openai", True),
    ],
)
def test_who_wants_anything_back(protocol: str, quirks: str, *, wants: bool) -> None:
    assert wants_back(structs.replace(HOME, protocol=protocol, quirks=quirks)) is wants


class DeadStore(SqlStore):
    """A database that does not answer."""

    async def call_states(self, tenant: Tenant, calls: Iterable[bytes]) -> Mapping[bytes, bytes]:
        raise StoreFault(f"no answer for {tenant.id} about {len(list(calls))}")


def test_without_the_store_a_request_goes_on_as_it_came_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def run() -> None:
        store = DeadStore.open(f"sqlite:///{tmp_path_factory.mktemp('dead') / 'state.db'}", FakeClock())
        try:
            raw = b'{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}'
            items = (InputItem(decode_item(raw, path="input[0]"), raw, "input[0]"),)
            seen, notices = await Keeper(SEALER, store, ANNA).recalled(items, HOME)
            assert seen == items
            assert [notice.reason for notice in notices] == ["store_unavailable"]
        finally:
            await store.close()

    asyncio.run(run())
