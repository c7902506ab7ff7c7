"""From what was asked to everything the model must see: earlier turns, referenced items, and whether it adds up."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.engine.ports import Store
from antiphon.engine.retold import Retold, recalled_hosted, retell
from antiphon.engine.seal import Sealer
from antiphon.engine.states import StateOpener, enveloped, rejoined
from antiphon.protocol.faults import RequestFault, previous_response_not_found
from antiphon.protocol.ids import INPUT_ORDINAL, ResponseId, item_id, item_owner, response_id_text
from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    ItemReference,
    Message,
    OtherItem,
    decode_item,
)
from antiphon.protocol.records import Tenant, Turn
from antiphon.protocol.request import Notice, Request

__all__ = ["History", "check_calls", "load_history", "stored_input", "turn_input", "turn_output"]

_HISTORY_PATH = "previous_response_id"


class History(Struct, frozen=True):
    """What the model will see.

    Attributes:
        items: earlier turns, then this request's own items, references resolved.
        own: this request's own items alone, which is what gets stored.
        ancestors: the turns this one continues, oldest first.
        notices: what could not be opened.
        retold: calls of hosted tools that ran here, in order.
        is_plain: all items are messages that refer to nothing, and no provider has a part in them.
    """

    items: tuple[InputItem, ...]
    own: tuple[InputItem, ...]
    ancestors: tuple[Turn, ...] = ()
    notices: tuple[Notice, ...] = ()
    retold: tuple[Retold, ...] = ()
    is_plain: bool = False


class _StoredItem(Struct, frozen=True):
    """What decides whether an output item of an unfinished turn is carried on."""

    type: str
    id: str | None = None
    status: str | None = None


class _StoredOutput(Struct, frozen=True):
    output: list[Raw]


_stored_output = msgspec.json.Decoder(_StoredOutput)
_stored_input = msgspec.json.Decoder(list[Raw])
_stored_item = msgspec.json.Decoder(_StoredItem)


async def load_history(request: Request, tenant: Tenant, *, store: Store, sealer: Sealer) -> History:
    """Resolve everything the request names, and open what providers want back.

    Raises:
        RequestFault: 400 `previous_response_not_found`; 404 for an unknown item; 400 when calls
            and outputs do not match.
        StoreFault: something is named and the store cannot answer.
    """
    if request.previous_response_id is None and _only_messages(request.input):
        return History(request.input, request.input, is_plain=True)
    opener = StateOpener(sealer, tenant)
    items = await _resolve_references(request.input, tenant, store=store, opener=opener)
    own = items if items is request.input else tuple(enveloped(item, sealer, tenant) for item in items)
    items = opener.items(items)
    turns: Sequence[Turn] = ()
    if request.previous_response_id is not None:
        found = await store.chain(tenant, request.previous_response_id)
        if found is None:
            raise previous_response_not_found(response_id_text(request.previous_response_id))
        turns = found
        items = (*[item for turn in turns for item in _turn_items(turn, opener)], *items)
    items, missed = await recalled_hosted(rejoined(items), tenant, store=store, sealer=sealer)
    items, retold = retell(items)
    check_calls(items)
    return History(items, own, tuple(turns), (*opener.notices, *missed), retold, is_plain=_only_messages(items))


def _only_messages(items: Iterable[InputItem]) -> bool:
    """Whether nothing in it refers to anything, as in most first turns, and nothing only one provider could read."""
    return all(type(item.value) is Message and item.state is None for item in items)


def stored_input(items: Iterable[InputItem], owner: ResponseId) -> bytes:
    """The JSON array that is stored: the items as they came, each with an id."""
    return b"[%b]" % b",".join(
        _with_id(item, owner=owner, ordinal=INPUT_ORDINAL + number) for number, item in enumerate(items)
    )


def check_calls(items: Sequence[InputItem]) -> None:
    """Every output answers an open call, and every call is answered: upstreams refuse anything else, less clearly."""
    pending: set[str] = set()
    for item in items:
        match item.value:
            case FunctionCall(call_id=call_id) | CustomToolCall(call_id=call_id):
                pending.add(call_id)
            case FunctionCallOutput(call_id=call_id) | CustomToolCallOutput(call_id=call_id):
                if call_id not in pending:
                    raise RequestFault(
                        f"No tool call found for function call output with call_id {call_id[:80]}.",
                        code="invalid_value",
                        param=item.path if item.path != _HISTORY_PATH else "input",
                    )
                pending.discard(call_id)
    if pending:
        raise RequestFault(
            f"No tool output found for function call {min(pending)[:80]}.", code="invalid_value", param="input"
        )


def turn_input(turn: Turn) -> list[Raw]:
    """A turn's own input items."""
    return _stored_input.decode(turn.input)


def turn_output(turn: Turn) -> list[Raw]:
    """What a continuation carries on of a turn: its output, or of an unfinished one the items that finished."""
    output = _stored_output.decode(turn.response).output
    return output if turn.status == "completed" else _completed(output)


def _turn_items(turn: Turn, opener: StateOpener) -> list[InputItem]:
    items = [
        opener.item(InputItem(decode_item(raw, path=_HISTORY_PATH), bytes(raw), _HISTORY_PATH))
        for raw in turn_input(turn)
    ]
    states = opener.turn(turn, path=_HISTORY_PATH)
    for raw in turn_output(turn):
        value = decode_item(raw, path=_HISTORY_PATH)
        item = InputItem(value, bytes(raw), _HISTORY_PATH, turn.provider, states.get(value.id or ""))
        items.append(opener.item(item) if isinstance(value, OtherItem) else item)
    return items


def _completed(output: Sequence[Raw]) -> list[Raw]:
    """Completed items; thought that led to a dropped item is dropped with it."""
    kept: list[Raw] = []
    thoughts: list[Raw] = []
    for raw in output:
        head = _stored_item.decode(raw)
        if head.type == "reasoning":
            thoughts.append(raw)
        elif head.status == "completed":
            kept += [*thoughts, raw]
            thoughts = []
        else:
            thoughts = []
    return kept


async def _resolve_references(
    items: tuple[InputItem, ...], tenant: Tenant, *, store: Store, opener: StateOpener
) -> tuple[InputItem, ...]:
    references = {item.value.id: item.path for item in items if isinstance(item.value, ItemReference)}
    if not references:
        return items
    owners = {owner for reference in references if (owner := item_owner(reference)) is not None}
    turns = await store.turns(tenant, owners) if owners else ()
    known: dict[str, InputItem] = {}
    for turn in turns:
        for item in _turn_items(turn, opener):
            if (name := item.value.id) is not None and name in references:
                known[name] = structs.replace(item, path=references[name])
    for name, path in references.items():
        if name not in known:
            raise RequestFault(
                f"Item with id '{name[:80]}' not found. Items are kept only with responses that were stored.",
                status=404,
                code="item_not_found",
                param=f"{path}.id",
            )
    return tuple(known[item.value.id] if isinstance(item.value, ItemReference) else item for item in items)


def _with_id(item: InputItem, *, owner: ResponseId, ordinal: int) -> bytes:
    if item.value.id is not None:
        return item.raw
    kind = str(type(item.value).__struct_config__.tag)
    name = item_id(kind, owner, ordinal).encode()
    if b'"id"' in item.raw:  # perhaps `"id": null`, which would win over ours: write it anew
        fields = msgspec.json.decode(item.raw, type=dict[str, Raw])
        return msgspec.json.encode({**fields, "id": name.decode()})
    return b'{"id":"%b",%b' % (name, item.raw.lstrip()[1:])
