"""Calls of hosted tools that ran here, between turns: what the client sees of one, and what the model saw.

To a model they were calls of functions, each with its output. The client only sees an item such as `web_search_call`,
so what the model saw is kept privately with that item: in the row of a stored turn, and for a while beside it for
clients that send the item back themselves. When the conversation goes on, the item becomes call and output again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from antiphon.engine.ports import Store
from antiphon.engine.seal import Origin, Sealer
from antiphon.engine.states import item_state
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.items import (
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    ItemState,
    Message,
    OtherItem,
    Reasoning,
    decode_item,
)
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import Notice
from antiphon.protocol.response import OutputItem, WebSearchItem
from antiphon.tools.sources import Source

__all__ = ["Retold", "hosted_states", "read_retold", "recalled_hosted", "retell", "write_retold"]

#: What a payload of ours begins with. Those of codecs are JSON, which never does.
_MARK = b"\x00antiphon.hosted\x00"
_HOSTED = (WebSearchItem,)
_HOSTED_TYPES = frozenset({"web_search_call"})
#: So many items of one request are looked up, the newest.
_MOST_ITEMS = 256


class Retold(Struct, frozen=True, array_like=True):
    """One call as the model saw it.

    Attributes:
        round: calls of one round were made at once.
        open: the client's own functions were called in that round too, and their outputs come with the next turn.
        sources: address and title of what was found.
        state: what the provider wants back with the call.
        place: how many of the client's functions were called before it in that round.
    """

    round: int
    call_id: str
    name: str
    arguments: str
    output: str
    open: bool = False
    sources: tuple[tuple[str, str], ...] = ()
    state: bytes = b""
    place: int = 0

    def found(self) -> Iterator[Source]:
        """The sources."""
        return (Source(url, title) for url, title in self.sources)


class _Entry(Struct, frozen=True, array_like=True):
    """What is kept of an item beside its turn."""

    origin: Origin
    payload: bytes


_pack = msgspec.msgpack.Encoder().encode
_retold = msgspec.msgpack.Decoder(Retold).decode
_entry = msgspec.msgpack.Decoder(_Entry).decode
_json = msgspec.json.Encoder().encode


def write_retold(retold: Retold) -> bytes:
    """The private payload of an item."""
    return _MARK + _pack(retold)


def read_retold(state: ItemState | None) -> Retold | None:
    """What was written; `None` for what a provider wants back."""
    if state is None or not state.payload.startswith(_MARK):
        return None
    return _retold(state.payload[len(_MARK) :])


def retell(items: Sequence[InputItem]) -> tuple[tuple[InputItem, ...], tuple[Retold, ...]]:
    """The items with calls and outputs in the place of what the client sees, and what was retold, in order.

    Calls of one round stand together, as the model made them, and their outputs behind: some providers want the
    thought that led to them right before all of them, and sign the first.
    """
    if not any(read_retold(item.state) for item in items):
        return tuple(items), ()
    found: list[InputItem] = []
    told: list[Retold] = []
    waiting: list[InputItem] = []  # outputs of the round that is being told
    latest: Retold | None = None
    for item in items:
        retold = read_retold(item.state)
        if latest is not None and not _goes_on(latest, retold, item):
            found += waiting
            waiting, latest = [], None
        if retold is None:
            found.append(item)
            continue
        found.insert(_place(found, retold, told), _call(retold, item))
        waiting.append(_output(retold, item))
        told.append(retold)
        latest = retold
    return (*found, *waiting), tuple(told)


def _goes_on(latest: Retold, retold: Retold | None, item: InputItem) -> bool:
    if retold is not None:
        return retold.round == latest.round
    return latest.open and isinstance(item.value, FunctionCall | CustomToolCall)


def _place(found: Sequence[InputItem], retold: Retold, told: Sequence[Retold]) -> int:
    """Where the call belongs: among the client's calls of its round, which all stand before it so far."""
    at = len(found)
    if not retold.open:
        return at
    ours = {one.call_id for one in told if one.round == retold.round}
    calls: list[int] = []
    for place in range(len(found) - 1, -1, -1):
        value = found[place].value
        if isinstance(value, FunctionCall | CustomToolCall):
            if value.call_id not in ours:
                calls.append(place)
        elif not isinstance(value, Reasoning) and not (isinstance(value, Message) and value.role == "assistant"):
            break
    calls.reverse()
    return calls[retold.place] if retold.place < len(calls) else at


def _call(retold: Retold, item: InputItem) -> InputItem:
    raw = _json(
        {"type": "function_call", "call_id": retold.call_id, "name": retold.name, "arguments": retold.arguments}
    )
    state = item.state
    own = structs.replace(state, payload=retold.state) if state is not None and retold.state else None
    return InputItem(decode_item(raw, path=item.path), raw, item.path, item.provider, own)


def _output(retold: Retold, item: InputItem) -> InputItem:
    value = FunctionCallOutput(call_id=retold.call_id, output=retold.output)
    raw = _json({"type": "function_call_output", "call_id": retold.call_id, "output": retold.output})
    return InputItem(value, raw, item.path)


def hosted_states(
    output: Iterable[OutputItem], states: Mapping[str, bytes], *, origin: Origin, lock: Callable[[bytes, bytes], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Key and body, locked for a purpose, of what to keep for clients that send the items back themselves."""
    for item in output:
        payload = states.get(item.id) if isinstance(item, _HOSTED) else None
        if payload is not None and payload.startswith(_MARK):
            key = _key(item.id)
            yield key, lock(_pack(_Entry(origin, payload)), b"hosted" + key)


async def recalled_hosted(
    items: tuple[InputItem, ...], tenant: Tenant, *, store: Store, sealer: Sealer
) -> tuple[tuple[InputItem, ...], Sequence[Notice]]:
    """The items, with what is kept of those that the client sent back itself. Asks the store once, or not at all."""
    wanted = {
        at: _key(item.value.id)
        for at, item in enumerate(items)
        if type(item.value) is OtherItem
        and item.value.type in _HOSTED_TYPES
        and item.state is None
        and item.value.id is not None
    }
    if not wanted:
        return items, ()
    wanted = dict(list(wanted.items())[-_MOST_ITEMS:])
    try:
        bodies = await store.call_states(tenant, wanted.values())
    except StoreFault:
        return items, (Notice("input", "dropped", "store_unavailable"),)
    known = list(items)
    for at, key in wanted.items():
        body = bodies.get(key)
        content = sealer.unlock(tenant, body, purpose=b"hosted" + key) if body else None
        if content is not None:
            entry = _entry(content)
            item = items[at]
            known[at] = InputItem(
                item.value, item.raw, item.path, entry.origin.provider, item_state(entry.origin, entry.payload)
            )
    return tuple(known), ()


def _key(item_id: str) -> bytes:
    return hashlib.sha256(b"hosted\x00" + item_id.encode(errors="replace")).digest()
