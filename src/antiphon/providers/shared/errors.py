"""Error objects of upstreams, in all their shapes, as one record. What each of them means stands in `faults`."""

import re

import msgspec
from msgspec import Struct

from antiphon.providers.shared.waits import retry_info

__all__ = ["UpstreamError", "read_error"]

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


class UpstreamError(Struct, frozen=True):
    """What an error object says.

    Attributes:
        message: for people; not cleaned yet.
        words: `type`, `code` and `status` together, for the tables.
        code: a code in OpenAI's manner, where there is one.
        status: the HTTP status that the object names.
        param: the field of the upstream request at fault.
        retry_s: how long to wait (Google's RetryInfo).
        flagged: the input was refused by a moderation, whatever the status says.
    """

    message: str = ""
    words: str = ""
    code: str | None = None
    status: int | None = None
    param: str | None = None
    retry_s: float | None = None
    flagged: bool = False


def read_error(body: bytes) -> UpstreamError | None:
    """The error object in a JSON text, `None` when there is none in it."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    found = _find(value)
    if isinstance(found, dict):
        return _read(found)
    return UpstreamError(found) if isinstance(found, str) and found else None


def _find(value: object) -> object:
    """The part of a body that is the error: an object, or a bare text."""
    if isinstance(value, list):
        return _find(value[0]) if value else None
    if not isinstance(value, dict):
        return value
    error = value.get("error")
    if isinstance(error, str) and error:
        return _flat(error, value)
    for inner in (error, value.get("errors"), value.get("detail")):
        if inner and isinstance(inner, (dict, list, str)):
            return _find(inner) if inner is not error else inner
    if isinstance(value.get("message"), str) or value.get("object") == "error" or "msg" in value:
        return value
    base = value.get("base_resp")  # MiniMax: 200 and this
    return {"message": base.get("status_msg")} if isinstance(base, dict) and base.get("status_code") else None


def _flat(error: str, value: dict[str, object]) -> object:
    """`error` is a text: the code beside a message, or the message itself, at xAI with a code beside it."""
    if "message" in value:
        return {"code": error, **value}
    return {"code": value["code"], "message": error} if isinstance(value.get("code"), str) else error


def _read(fields: dict[str, object]) -> UpstreamError:
    words = [text for name in ("type", "code", "status") if isinstance(text := fields.get(name), str)]
    inner = fields.get("innererror")  # Azure
    if isinstance(inner, dict) and isinstance(inner.get("code"), str):
        words.append(inner["code"])
    metadata = fields.get("metadata")  # OpenRouter
    meta: dict[str, object] = metadata if isinstance(metadata, dict) else {}
    code, param = fields.get("code"), fields.get("param")
    statuses = (_as_status(fields.get(name)) for name in ("code", "status", "status_code"))
    return UpstreamError(
        message=_message(fields, meta),
        words=" ".join(words),
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else None,
        status=next((status for status in statuses if status), None),
        param=param if isinstance(param, str) and _FIELD.fullmatch(param) and param != "messages" else None,
        retry_s=retry_info(fields.get("details")),
        flagged=bool(meta.get("reasons")),
    )


def _message(fields: dict[str, object], metadata: dict[str, object]) -> str:
    """The most telling text: what a relay got from its own upstream tells more than its own words."""
    raw = metadata.get("raw")
    if isinstance(raw, str) and raw:
        inner = read_error(raw.encode("utf-8", "replace"))
        return inner.message if inner and inner.message else raw
    for name in ("message", "msg", "detail"):
        text = fields.get(name)
        if isinstance(text, str) and text:
            return text
        if isinstance(text, (dict, list)) and text:
            return msgspec.json.encode(text).decode()
    return ""


def _as_status(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None
