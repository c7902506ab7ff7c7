"""What providers want back, between turns: opened on the way in, and shown only to who made it.

A thought, a call or a message may have a *state*: bytes that its provider gave with it and wants back unchanged. It
comes back in an envelope that the client kept, or out of the row of a stored turn. A state that cannot be opened, or
was made by another provider, model or account, is left out and told; it is never an error.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.engine.seal import Origin, Sealer, is_envelope
from antiphon.protocol.blocks import SealWriter
from antiphon.protocol.carried import carried
from antiphon.protocol.deltas import OutputDelta, Relayed
from antiphon.protocol.events import ItemAdded, ItemDone
from antiphon.protocol.extended import extended, extras
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.items import InputItem, ItemState, Message, OtherItem, Reasoning
from antiphon.protocol.records import Tenant, Turn
from antiphon.protocol.request import NULL, Notice
from antiphon.protocol.response import OpaqueItem
from antiphon.protocol.target import Target

__all__ = [
    "NOBODY",
    "StateOpener",
    "at_home",
    "covered",
    "enveloped",
    "item_state",
    "lock_states",
    "maker_of",
    "origin_of",
    "rejoined",
]

#: Kinds of items that may hold what only their maker can read.
_CARRIERS = (Reasoning, OtherItem)
_BLOB = "encrypted_content"
_QUOTED_BLOB = b'"encrypted_content"'

#: Provider of a thought of which nobody knows who can read it: no codec sends it.
NOBODY = ""


class _Kept(Struct, frozen=True, array_like=True):
    """What is locked in a turn's row."""

    origin: Origin
    items: dict[str, bytes]


class _Head(Struct, frozen=True):
    type: str
    id: str | None = None


class _Sealed(Struct, frozen=True):
    """An item that may hold something that only its maker can read, as `compaction` items do."""

    encrypted_content: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_kept = msgspec.msgpack.Decoder(_Kept)
_head = msgspec.json.Decoder(_Head)
_sealed = msgspec.json.Decoder(_Sealed)
_fields = msgspec.json.Decoder(dict[str, Raw])
_resource = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


def origin_of(target: Target) -> Origin:
    """Who makes the states of an answer from there."""
    alias = target.credential.alias if target.credential else ""
    return Origin(target.provider, target.model, alias, target.protocol)


def item_state(origin: Origin, payload: bytes) -> ItemState | None:
    """The state of an item; an empty payload says who made the item, and that nothing is wanted back."""
    return ItemState(payload, origin.model, origin.credential, origin.protocol) if payload else None


def maker_of(provider: str, state: ItemState) -> Origin:
    """Who made a state of an item of that provider."""
    return Origin(provider, state.model, state.credential, state.protocol)


def lock_states(
    sealer: Sealer, tenant: Tenant, *, owner: ResponseId, origin: Origin, states: Mapping[str, bytes]
) -> bytes:
    """The states of a turn's items, by item id, for its row."""
    return sealer.lock(tenant, _encode(_Kept(origin, dict(states))), purpose=_purpose(owner)) if states else b""


class StateOpener:
    """Opens what comes with one request.

    Attributes:
        notices: what could not be opened.
    """

    def __init__(self, sealer: Sealer, tenant: Tenant) -> None:
        self._sealer = sealer
        self._tenant = tenant
        self.notices: list[Notice] = []

    def items(self, items: Iterable[InputItem]) -> tuple[InputItem, ...]:
        """The items with what is in their envelopes."""
        return tuple([self.item(item) if type(item.value) in _CARRIERS else item for item in items])

    def item(self, item: InputItem) -> InputItem:
        """The same for one. What does not open belongs to nobody; what others have sealed stays as it is."""
        blob = _blob(item)
        if not blob or not is_envelope(blob):
            return item
        found = self._sealer.open(self._tenant, blob)
        if found is None:
            self._tell(item.path)
            return structs.replace(item, provider=NOBODY)
        origin, payload = found
        opened = structs.replace(item, provider=origin.provider, state=item_state(origin, payload))
        return opened if isinstance(item.value, Reasoning) else _with_blob(opened, payload.decode())

    def turn(self, turn: Turn, *, path: str) -> Mapping[str, ItemState]:
        """The states of a stored turn's output items, by item id."""
        if not turn.states:
            return {}
        content = self._sealer.unlock(self._tenant, turn.states, purpose=_purpose(turn.id))
        if content is None:
            self._tell(path)
            return {}
        kept = _kept.decode(content)
        return {name: state for name, payload in kept.items.items() if (state := item_state(kept.origin, payload))}

    def _tell(self, path: str) -> None:
        notice = Notice(path, "dropped", "foreign_seal")
        if notice not in self.notices:
            self.notices.append(notice)


def rejoined(items: tuple[InputItem, ...]) -> tuple[InputItem, ...]:
    """The items with what was carried behind a message at the message, and the thoughts that carried it left out.

    Where the message is gone, nobody wants that any more.
    """
    if not any(item.state is not None and carried(item.state.payload) is not None for item in items):
        return items
    found: list[InputItem] = []
    for item in items:
        state = item.state
        payload = carried(state.payload) if state is not None else None
        if state is None or payload is None:
            found.append(item)
            continue
        said = found[-1] if found else item
        if type(said.value) is Message and said.value.role == "assistant":
            found[-1] = structs.replace(said, provider=item.provider, state=structs.replace(state, payload=payload))
    return tuple(found)


def at_home(items: Sequence[InputItem], target: Target) -> tuple[tuple[InputItem, ...], list[Notice]]:
    """The items as this target may see them, and what that left out.

    States of another provider, model or account are taken off. What a thought says in clear stays with it: whether it
    is replayed, a codec decides by the item's provider. A sealed thought that is not from here may be of a provider
    that speaks Responses, and is left to one.
    """
    if not any(item.state is not None or type(item.value) in _CARRIERS for item in items):
        return tuple(items), []
    origin = origin_of(target)
    left_out: dict[str, Notice] = {}
    kept: list[InputItem] = []
    for item in items:
        if type(item.value) is OtherItem and not _reads(item, target):
            if item.provider != NOBODY:  # of that one it was told before
                left_out.setdefault(item.path, Notice(item.path, "dropped", "foreign_compaction"))
            continue
        seen = _seen_by(item, origin, takes_blobs=target.protocol == "responses")
        if seen is not item or _is_strange(item, origin):
            left_out.setdefault(item.path, Notice(item.path, "dropped", "foreign_reasoning"))
        kept.append(seen)
    return tuple(kept), list(left_out.values())


def _seen_by(item: InputItem, origin: Origin, *, takes_blobs: bool) -> InputItem:
    state = item.state
    if state is not None:
        return item if origin.reads(maker_of(item.provider or NOBODY, state)) else structs.replace(item, state=None)
    value = item.value
    if type(value) is Reasoning and value.encrypted_content and item.provider is None and not takes_blobs:
        return structs.replace(item, provider=NOBODY)
    return item


def _reads(item: InputItem, target: Target) -> bool:
    """Whether the target can make anything of an item that only its maker can read. True for all others."""
    if _blob(item) is None:
        return True
    if item.provider is None:  # the client has it from elsewhere
        return target.protocol == "responses"
    state, origin = item.state, origin_of(target)
    return item.provider == origin.provider if state is None else origin.reads(maker_of(item.provider, state))


def _is_strange(item: InputItem, origin: Origin) -> bool:
    """A thought in clear that another provider had. One of nobody's was told of before."""
    return type(item.value) is Reasoning and bool(item.provider) and item.provider != origin.provider


def enveloped(item: InputItem, sealer: Sealer, tenant: Tenant) -> InputItem:
    """A stored thought as a client would hold it: in an envelope, so that it can be stored once more."""
    value, state = item.value, item.state
    if type(value) not in _CARRIERS or not item.provider:
        return item
    origin = maker_of(item.provider, state) if state else Origin(item.provider, "")
    if not isinstance(value, Reasoning):
        return item if state is None else _with_blob(item, sealer.seal(tenant, origin, state.payload))
    envelope = sealer.seal(tenant, origin, state.payload if state else b"")
    return structs.replace(
        item,
        value=structs.replace(value, encrypted_content=envelope),
        raw=msgspec.json.encode({**_fields.decode(item.raw), "encrypted_content": envelope}),
    )


def covered(delta: OutputDelta, seal: SealWriter) -> OutputDelta:
    """A relayed item with an envelope around what only its upstream can read; every other delta as it is."""
    if type(delta) is not Relayed or not isinstance(delta.event, ItemAdded | ItemDone):
        return delta
    item = delta.event.item
    if not isinstance(item, OpaqueItem):
        return delta
    raw = extras(item).get(_BLOB, NULL)
    blob = msgspec.json.decode(raw)
    if not isinstance(blob, str) or not blob:
        return delta
    envelope = Raw(msgspec.json.encode(seal(blob.encode())))
    return structs.replace(delta, event=structs.replace(delta.event, item=extended(item, {_BLOB: envelope})))


def _purpose(owner: ResponseId) -> bytes:
    return b"turn" + owner


def _blob(item: InputItem) -> str | None:
    """What only the item's maker can read, in an envelope or not."""
    value = item.value
    if isinstance(value, Reasoning):
        return value.encrypted_content
    if not isinstance(value, OtherItem) or _QUOTED_BLOB not in item.raw:
        return None
    try:
        return _sealed.decode(item.raw).encrypted_content
    except msgspec.ValidationError:  # something else of that name
        return None


def _with_blob(item: InputItem, blob: str) -> InputItem:
    return structs.replace(item, raw=msgspec.json.encode({**_fields.decode(item.raw), _BLOB: blob}))
