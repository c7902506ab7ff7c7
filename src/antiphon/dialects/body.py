"""Reading a client's JSON, whatever dialect it is in: what is no JSON is told apart from what is not allowed."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.validation import validation_fault

__all__ = ["decode_fields", "field_names", "read_body"]

_T = TypeVar("_T")

#: How deep JSON may be depends on how deep the stack is that reads it. What is kept as JSON is read again from deeper
#: inside other calls: what gets in here must be readable there.
_SPARE_FRAMES = 64
#: A body with fewer brackets than this cannot be deep.
_FEW_BRACKETS = 128
_UNREADABLE_NUMBER = ("Number out of range", "Integer value out of range")

_syntax = msgspec.json.Decoder(Raw)
_fields = msgspec.json.Decoder(dict[str, Raw])


def read_body(body: bytes, parse: Callable[[bytes], _T]) -> _T:
    """What `parse` makes of the body.

    Raises:
        RequestFault: 400 `invalid_json` for what is not JSON that can be read, and whatever `parse` raises.
    """
    try:
        if not body.isascii():
            body.decode()  # skipped parts of the JSON are not checked by the decoder
        if body.count(b"{") + body.count(b"[") < _FEW_BRACKETS:
            return parse(body)
        return _with_room_to_spare(body, parse, frames=_SPARE_FRAMES)
    except RecursionError as error:
        raise _invalid_json("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise _invalid_json(str(error)) from error


def decode_fields(body: bytes, decoder: msgspec.json.Decoder[_T], *, expected: type) -> _T:
    """The body as a struct.

    Raises:
        RequestFault: 400; a wrong type is told only about what is JSON.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        try:
            _syntax.decode(body)  # decoding stopped at the type
        except msgspec.DecodeError as worse:
            raise _invalid_json(str(worse)) from worse
        if str(error).startswith(_UNREADABLE_NUMBER):
            raise _invalid_json(str(error)) from error
        raise validation_fault(error, expected=expected) from error
    except msgspec.DecodeError as error:
        raise _invalid_json(str(error)) from error


def field_names(body: bytes) -> list[str]:
    """The names of a JSON object's fields, in order."""
    return list(_fields.decode(body))


def _with_room_to_spare(body: bytes, parse: Callable[[bytes], _T], *, frames: int) -> _T:
    """Parse from deeper in the stack, which leaves less depth to the JSON."""
    return _with_room_to_spare(body, parse, frames=frames - 1) if frames else parse(body)


def _invalid_json(reason: str) -> RequestFault:
    return RequestFault(
        f"The request body is not valid JSON: {reason}.".replace("`", "'"), code="invalid_json", param=None
    )
