"""What a client's own words may not do at an upstream that all tenants share, where they are sent on as they came.

They may not name what is held at the operator's account, lead to another model or server than the one that was routed
to, or send the upstream to places in its own network.
"""

from collections.abc import Iterable, MutableMapping

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import RequestFault
from antiphon.protocol.request import Notice
from antiphon.protocol.target import Target

__all__ = ["check_account", "check_fields", "drop_elsewhere", "is_web_url"]

#: Fields that name an object at the upstream's account, wherever they stand.
_OBJECTS = frozenset(
    {
        "collection_ids",
        "connector_id",
        "container_id",
        "file_id",
        "file_ids",
        "library_ids",
        "skill_id",
        "tunnel_id",
        "vector_store_ids",
    }
)
#: An object where it is a text, and a description of a new one where it is an object.
_CONTAINER = "container"

#: Fields with a URL that the upstream would go to.
_URLS = frozenset({"server_url", "image_url", "file_url", "video_url", "audio_url"})
_NAMES = tuple(f'"{name}"'.encode() for name in (*_OBJECTS, _CONTAINER, *_URLS))

#: Fields of resellers, proxies and servers that lead elsewhere than to the model that was routed to, and paid for,
#: here: to other models, other servers, or what belongs to other requests.
_ELSEWHERE = (
    "models", "route", "fallbacks", "preset", "model_list",
    "api_base", "base_url", "api_key", "api_version", "organization", "extra_headers", "extra_body",
    "custom_llm_provider", "user_config", "router_settings_override", "litellm_credential_name", "mock_response",
    "prompt_id", "callbacks", "webhook", "webhook_url", "callback_url", "deferred",
    "kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room", "session_params", "id_slot", "rid",
    "request_id", "custom_logit_processor",
)  # fmt: skip

#: What the gateway does itself.
_GATEWAYS = ("fallback_models", "fallback_timeout", "fallback_enabled")

_decode = msgspec.json.decode


def drop_elsewhere(body: MutableMapping[str, object], *, but: Iterable[str] = ()) -> list[Notice]:
    """Take out of the body what leads elsewhere, but for what the upstream's own API has.

    What says where the gateway itself may go elsewhere is no news to anybody, and goes too.
    """
    for name in _GATEWAYS:
        body.pop(name, None)
    names = [name for name in _ELSEWHERE if name in body and name not in but]
    return [Notice(name, "dropped", "leads_elsewhere") for name in names if not _says_nothing(body.pop(name))]


def check_fields(body: MutableMapping[str, object], target: Target, *, known: Iterable[str]) -> None:
    """Look through all fields of the body that stay as they came, but for those that others look through.

    Raises:
        RequestFault: as `check_account` does.
    """
    for name in body.keys() - set(known):
        value = body[name]
        if isinstance(value, Raw):
            _check(b'{"%b":%b}' % (_encoded_name(name), bytes(value)), target, path="")


def check_account(raw: bytes | Raw, target: Target, *, path: str, but: Iterable[str] = ()) -> None:
    """Look through one object at `path`, but for the fields of some names.

    Raises:
        RequestFault: 400, naming the field, for objects at the upstream's account where they are not allowed, and for
            servers that the upstream would reach from inside of the operator's network.
    """
    _check(bytes(raw), target, path=path, but=but)


def is_web_url(text: str) -> bool:
    """Whether it leads to the web, as opposed to files of the upstream and the like."""
    return text.partition(":")[0].strip().lower() in ("http", "https")


def _check(raw: bytes, target: Target, *, path: str, but: Iterable[str] = ()) -> None:
    # A name can be written with escapes, and then it has to be read to be known.
    if b"\\" not in raw and not any(name in raw for name in _NAMES):
        return
    try:
        found: list[tuple[str, object]] = [(path, _decode(raw))]
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestFault(f"'{path}' cannot be read.", code="invalid_value", param=path or None) from error
    while found:  # a loop: what a client nests deeply must not end in too deep a stack
        place, value = found.pop()
        if isinstance(value, list):
            found += [(f"{place}[{index}]", inner) for index, inner in enumerate(value)]
        elif isinstance(value, dict):
            for name, inner in value.items():
                where = f"{place}.{name}" if place else name
                if name not in but:
                    _check_field(name, inner, target, where=where)
                found.append((where, inner))


def _check_field(name: str, value: object, target: Target, *, where: str) -> None:
    is_object = name in _OBJECTS or (name == _CONTAINER and isinstance(value, str))
    if is_object and value not in (None, "", [], {}) and target.upstream_ids != "allow":
        raise RequestFault(
            "Objects at the provider's account cannot be named here: it is shared.",
            code="unsupported_parameter",
            param=where,
        )
    url = value.get("url") if isinstance(value, dict) else value
    if name in _URLS and isinstance(url, str) and url and url.partition(":")[0].strip().lower() != "data":
        _check_url(url, target, where=where)


def _check_url(url: str, target: Target, *, where: str) -> None:
    if not is_web_url(url):
        raise RequestFault(
            f"Invalid URL at '{where}': only http, https and data URLs are accepted.",
            code="invalid_value",
            param=where,
        )
    if not target.fetches_urls:
        raise RequestFault(
            "This model's provider may not be sent to other servers.", code="unsupported_parameter", param=where
        )


def _says_nothing(value: object) -> bool:
    return isinstance(value, Raw) and value == Raw(b"null")


def _encoded_name(name: str) -> bytes:
    return msgspec.json.encode(name)[1:-1]
