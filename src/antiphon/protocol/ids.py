"""Identifiers that clients see: their shapes, and nothing about how randomness or time is had.

A response id is `resp_` and the 32 hex digits of a version 7 UUID: time-ordered, so that the table stays fast,
with 74 random bits, so that it cannot be guessed. An item id embeds its response's id and a number, so that
an item is found without an index of its own: `msg_<32 hex><4 hex>`. Malformed, unknown and foreign ids must all end
in the same answer; `parse_response_id` therefore answers `None` and never raises.
"""

from typing import NewType, Protocol

__all__ = ["INPUT_ORDINAL", "Ids", "ResponseId", "item_id", "item_owner", "parse_response_id", "response_id_text"]

#: The 16 bytes of the UUID. On the wire: `resp_` + hex.
ResponseId = NewType("ResponseId", bytes)

#: Ordinals from here on belong to input items, those below to output items.
INPUT_ORDINAL = 0x8000

_PREFIX = "resp_"
_PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "reasoning": "rs_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "web_search_call": "ws_",
    "compaction": "cmp_",
}


class Ids(Protocol):
    """Where new identifiers come from. Passed in, so that tests own identity."""

    def new_response_id(self) -> bytes:
        """16 bytes: a version 7 UUID."""

    def new_call_id(self) -> str:
        """An id for a call that its upstream gave none."""


def response_id_text(response_id: ResponseId) -> str:
    """`resp_` + 32 hex digits."""
    return _PREFIX + response_id.hex()


def parse_response_id(text: str) -> ResponseId | None:
    """The 16 bytes behind a response id of ours, or `None` for anything else."""
    if len(text) != len(_PREFIX) + 32 or not text.startswith(_PREFIX):
        return None
    return _from_hex(text[len(_PREFIX) :])


def item_id(item_type: str, owner: ResponseId, ordinal: int) -> str:
    """The id of item number `ordinal` of a response. Types without a prefix of their own get `item_`."""
    return f"{_PREFIXES.get(item_type, 'item_')}{owner.hex()}{ordinal:04x}"


def item_owner(text: str) -> ResponseId | None:
    """The response that an item id of ours belongs to, or `None` when it is not one of ours."""
    _, _, rest = text.rpartition("_")
    if len(rest) != 36 or _from_hex(rest[32:]) is None:
        return None
    return _from_hex(rest[:32])


def _from_hex(text: str) -> ResponseId | None:
    # bytes.fromhex accepts blanks and capitals; only the exact form that we hand out is ours.
    if text != text.lower() or not text.isalnum():
        return None
    try:
        return ResponseId(bytes.fromhex(text))
    except ValueError:
        return None
