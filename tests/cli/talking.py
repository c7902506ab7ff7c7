"""A gateway that says what a test wants: scripted Responses events on a real socket."""

from collections.abc import Sequence
from typing import Any

from tests.helpers.upstream import Part, Reply, stream

Event = dict[str, Any]


def text(piece: str) -> Event:
    return {"type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_1", "delta": piece}


def thought(piece: str) -> Event:
    return {"type": "response.reasoning_summary_text.delta", "sequence_number": 4, "delta": piece}


def ended(response_id: str = "resp_1", status: str = "completed", **fields: Any) -> Event:
    return {"type": f"response.{status}", "response": {"id": response_id, "status": status, **fields}}


def says(*pieces: Event | Part) -> Reply:
    """A whole stream: what comes before the pieces, and after them."""
    begin: Sequence[Event] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "item": {"type": "message"}},
    ]
    return stream(*begin, *pieces)
