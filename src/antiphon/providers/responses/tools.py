"""Tools on their way to the upstream: as the client wrote them, but for objects at an account that tenants share."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.reading import Fields, read_fields
from antiphon.protocol.target import Target

__all__ = ["edit_tool_choice", "edit_tools"]


_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

_FUNCTION = Raw(b'"function"')
_EMPTY = (b"null", b"[]", b"{}", b'""')

#: Fields of tools that name an object at the upstream's account, wherever in the tool they stand.
_OBJECTS = ("vector_store_ids", "file_ids", "file_id", "connector_id", "tunnel_id", "container_id")


def edit_tools(raws: Sequence[Raw], target: Target) -> list[Raw]:
    """The tools, each as it was written; functions in the nested form of Chat are made flat.

    Raises:
        RequestFault: 400, naming the field, for objects at the upstream's account where they are not allowed, and for
            servers that the upstream would reach inside the operator's network.
    """
    return [_edited(raw, target, path=f"tools[{index}]") for index, raw in enumerate(raws)]


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
    if bytes(kind or b"") in (b'"custom"', b'"namespace"'):
        return raw
    if target.upstream_ids != "allow":
        _refuse_objects(fields, path)
    if "server_url" in fields and not target.fetches_urls:
        raise RequestFault(
            "This model's provider may not be sent to other servers.",
            code="unsupported_parameter",
            param=f"{path}.server_url",
        )
    return raw


def _refuse_objects(fields: Fields, path: str) -> None:
    for name, raw in fields.items():
        value = bytes(raw)
        if name in _OBJECTS and value not in _EMPTY:
            raise _refused(f"{path}.{name}")
        if name == "container" and value[:1] == b'"':
            raise _refused(f"{path}.{name}")
        if value[:1] == b"{" and any(f'"{key}"'.encode() in value for key in _OBJECTS):
            _refuse_objects(read_fields(raw), f"{path}.{name}")


def _refused(param: str) -> RequestFault:
    return RequestFault(
        "Objects at the provider's account cannot be named here: it is shared.",
        code="unsupported_parameter",
        param=param,
    )
