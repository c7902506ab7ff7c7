"""Reading back what was stored: the resource as it was sent, and its input as a list."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antiphon.engine.history import turn_input, turn_output
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.ids import INPUT_ORDINAL, ResponseId, item_id
from antiphon.protocol.records import Turn

__all__ = ["ItemPage", "list_items", "stored_resource"]

_fields = msgspec.json.Decoder(dict[str, Raw])


class ItemPage(Struct, frozen=True):
    """Which part of a list is wanted. `after` is an item id, exclusive."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


def stored_resource(turn: Turn) -> bytes:
    """The resource with the echo of the request put back."""
    return msgspec.json.encode({**_fields.decode(turn.response), **_fields.decode(turn.echo)})


def list_items(chain: Sequence[Turn], page: ItemPage) -> bytes:
    """One page of the last turn's effective input: earlier turns' inputs and outputs, then its own input.

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
            items.append(_named_once(_stored_form(raw), known, owner=turn.id, number=number))
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


def _stored_form(raw: Raw) -> dict[str, object]:
    """The item as the API lists it: typed, content as parts, defaults filled in; all other fields as they came."""
    item: dict[str, object] = msgspec.json.decode(raw, type=dict[str, object])
    kind = item.setdefault("type", "message")
    if kind == "message":
        item["content"] = _parts(item.get("content"), assistant=item.get("role") == "assistant")
    elif kind == "reasoning":
        item["summary"] = item.get("summary") or []
        return item
    item["status"] = item.get("status") or "completed"
    return item


def _parts(content: object, *, assistant: bool) -> list[object]:
    if not isinstance(content, list):
        text = content if isinstance(content, str) else ""
        return _parts([{"type": "output_text" if assistant else "input_text", "text": text}], assistant=assistant)
    for part in content:
        if isinstance(part, dict):
            if part.get("type") == "output_text":
                part["annotations"] = part.get("annotations") or []
            elif part.get("type") == "input_image":
                part["detail"] = part.get("detail") or "auto"
    return list(content)
