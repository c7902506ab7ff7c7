"""Reading back what was stored: the resource as it was sent, and its input as a list."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.engine.history import turn_input, turn_output
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.ids import INPUT_ORDINAL, ResponseId, item_id
from antiphon.protocol.records import Turn
from antiphon.protocol.request import NULL

__all__ = ["ItemPage", "list_items", "stored_resource"]


class _Head(Struct, frozen=True):
    """What decides how an item is listed. What is stored has an id."""

    id: str
    type: str | None = None
    role: Raw = NULL
    status: Raw = NULL
    content: Raw = NULL


_fields = msgspec.json.Decoder(dict[str, Raw])
_head = msgspec.json.Decoder(_Head)
_content = msgspec.json.Decoder(str | list[dict[str, Raw]] | None)


class ItemPage(Struct, frozen=True):
    """Which part of a list is wanted. `after` is an item id, exclusive."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


def stored_resource(turn: Turn) -> bytes:
    """The resource with the echo of the request put back."""
    return msgspec.json.encode({**_fields.decode(turn.response), **_fields.decode(turn.echo)})


def list_items(chain: Sequence[Turn], page: ItemPage, *, sealed: bool = False) -> bytes:
    """One page of the last turn's effective input: earlier turns' inputs and outputs, then its own input.

    Without `sealed`, thoughts come without what their provider wants back.

    Raises:
        RequestFault: 404, `after` names no item of the list.
    """
    items: list[dict[str, object]] = []
    known: set[object] = set()
    for turn in chain:
        raws = turn_input(turn)
        if turn is not chain[-1]:
            raws += turn_output(turn)
        for number, raw in enumerate(raws):
            items.append(_named_once(_stored_form(raw, sealed=sealed), known, owner=turn.id, number=number))
    if page.order == "desc":
        items.reverse()
    start = _start(items, page.after)
    shown = items[start : start + page.limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": start + page.limit < len(items),
        }
    )


def _start(items: Sequence[dict[str, object]], after: str | None) -> int:
    if after is None:
        return 0
    for index, item in enumerate(items):
        if item["id"] == after:
            return index + 1
    raise RequestFault(f"Item with id '{after[:80]}' not found.", status=404, code="item_not_found", param="after")


def _named_once(item: dict[str, object], known: set[object], *, owner: ResponseId, number: int) -> dict[str, object]:
    """The item, under another id if its own stands in the list already: pages are found by id.

    That happens to items that were referenced inside their own conversation, and to ids that clients make.
    """
    if item["id"] in known:
        item["id"] = item_id(str(item["type"]), owner, INPUT_ORDINAL + number)
    known.add(item["id"])
    return item


def _stored_form(raw: Raw, *, sealed: bool) -> dict[str, object]:
    """The item as the API lists it: typed, content as parts, defaults filled in.

    All other fields stay as they came and are not looked into: a number there may be beyond any range of ours.
    """
    head = _head.decode(raw)
    kind = head.type or "message"
    item: dict[str, object] = {**_fields.decode(raw), "type": kind, "id": head.id}
    if kind == "message":
        item["content"] = _parts(head.content, assistant=msgspec.json.decode(head.role) == "assistant")
    elif kind == "reasoning":
        item["summary"] = item["summary"] if item.get("summary", NULL) != NULL else []
        if not sealed:
            item.pop("encrypted_content", None)
        return item
    item["status"] = head.status if head.status != NULL else "completed"
    return item


def _parts(raw: Raw, *, assistant: bool) -> list[dict[str, object]]:
    content = _content.decode(raw)
    if not isinstance(content, list):
        kind = "output_text" if assistant else "input_text"
        content = [{"type": Raw(b'"%b"' % kind.encode()), "text": Raw(msgspec.json.encode(content or ""))}]
    return [_part(fields) for fields in content]


def _part(fields: dict[str, Raw]) -> dict[str, object]:
    match msgspec.json.decode(fields.get("type", NULL)):
        case "output_text":
            return {**fields, "annotations": fields["annotations"] if fields.get("annotations", NULL) != NULL else []}
        case "input_image":
            return {**fields, "detail": fields["detail"] if fields.get("detail", NULL) != NULL else "auto"}
    return {**fields}
