"""Tools on their way to the upstream: as the client wrote them, but for objects at an account that tenants share."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from antiphon.protocol.reading import Fields, read_fields
from antiphon.protocol.target import Target
from antiphon.providers.shared.account import check_account

__all__ = ["check_tools", "edit_tool_choice", "edit_tools"]


_encode = msgspec.json.Encoder().encode

_list = msgspec.json.Decoder(list[Raw]).decode

_FUNCTION = Raw(b'"function"')
_CLIENTS = (b'"function"', b'"custom"')
_NOTHING = Raw(b"[]")

#: What searches of the gateway's own are told, and vendors do not know.
_SEARCHES, _OURS = b'"web_search', "max_results"


def edit_tools(raws: Sequence[Raw], target: Target) -> list[Raw]:
    """The tools, each as it was written; functions in the nested form of Chat are made flat.

    Raises:
        RequestFault: 400, naming the field, for objects at the upstream's account where they are not allowed, and for
            servers that the upstream would reach inside the operator's network.
    """
    return [_edited(raw, target, path=f"tools[{index}]") for index, raw in enumerate(raws)]


def check_tools(raws: Sequence[Raw], target: Target, *, path: str) -> None:
    """Look through tools that go on as they came. Raises as `edit_tools` does."""
    for index, raw in enumerate(raws):
        if bytes(raw)[:1] == b"{":
            _check(read_fields(raw), raw, target, path=f"{path}[{index}]")


def edit_tool_choice(raw: Raw, canonical: Raw) -> Raw:
    """The client's own choice, unless it is in the form of Chat."""
    return canonical if bytes(raw)[:1] == b"{" and "function" in read_fields(raw) else raw


def _edited(raw: Raw, target: Target, *, path: str) -> Raw:
    fields = read_fields(raw)
    kind = fields.get("type")
    if kind == _FUNCTION:
        nested = fields.pop("function", None)
        if nested is None:
            return raw
        return Raw(_encode({**fields, **read_fields(nested)}))
    _check(fields, raw, target, path=path)
    if _OURS in fields and bytes(kind or b"").startswith(_SEARCHES):
        return Raw(_encode({name: value for name, value in fields.items() if name != _OURS}))
    return raw


def _check(fields: Fields, raw: Raw, target: Target, *, path: str) -> None:
    """The client's own functions may have parameters of any name."""
    kind = bytes(fields.get("type", _FUNCTION))
    if kind == b'"namespace"':
        children = fields.get("tools", _NOTHING)
        for index, child in enumerate(_list(children) if bytes(children)[:1] == b"[" else ()):
            # There is no namespace within another, and so no more than this depth to follow.
            if _type_of(child) not in _CLIENTS:
                check_account(child, target, path=f"{path}.tools[{index}]")
    elif kind not in _CLIENTS:
        check_account(raw, target, path=path)


def _type_of(tool: Raw) -> bytes:
    return bytes(read_fields(tool).get("type", _FUNCTION)) if bytes(tool)[:1] == b"{" else b""
