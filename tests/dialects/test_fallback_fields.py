"""`fallback_models`, `fallback_timeout`, `fallback_enabled`: read alike at every door, and sent to nobody."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import pytest

from antiphon.dialects.chat import parse_chat
from antiphon.dialects.embeddings import parse_embeddings
from antiphon.dialects.messages.parse import parse_messages
from antiphon.dialects.responses import parse_create
from antiphon.protocol.faults import RequestFault
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.base import Codec
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.embeddings import encode_embeddings
from antiphon.providers.responses.codec import ResponsesCodec

Json = dict[str, Any]
FIELDS: Json = {"fallback_models": ["b", "c/d"], "fallback_timeout": 1500, "fallback_enabled": True}
MESSAGES = [{"role": "user", "content": "Hi"}]


class Wanted(Protocol):
    @property
    def fallbacks(self) -> tuple[str, ...]: ...
    @property
    def fallback(self) -> bool | None: ...
    @property
    def fallback_s(self) -> float | None: ...


DOORS: dict[str, tuple[Callable[[bytes], Wanted], Json]] = {
    "responses": (parse_create, {"model": "a", "input": "Hi"}),
    "chat": (lambda body: parse_chat(body).request, {"model": "a", "messages": MESSAGES}),
    "messages": (
        lambda body: parse_messages(body).request,
        {"model": "a", "max_tokens": 5, "messages": MESSAGES},
    ),
    "embeddings": (parse_embeddings, {"model": "a", "input": "Hi"}),
}
doors = pytest.mark.parametrize("door", DOORS)


def read(door: str, fields: Json) -> Wanted:
    parse, body = DOORS[door]
    return parse(msgspec.json.encode({**body, **fields}))


@doors
def test_they_are_read(door: str) -> None:
    wanted = read(door, FIELDS)
    assert wanted.fallbacks == ("b", "c/d")
    assert wanted.fallback is True
    assert wanted.fallback_s == 1.5


@doors
@pytest.mark.parametrize("fields", [{}, dict.fromkeys(FIELDS)])
def test_left_out_they_say_nothing(door: str, fields: Json) -> None:
    wanted = read(door, fields)
    assert (wanted.fallbacks, wanted.fallback, wanted.fallback_s) == ((), None, None)


@doors
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fallback_models", "b"),
        ("fallback_models", ["b"] * 6),
        ("fallback_models", [""]),
        ("fallback_models", ["b" * 257]),
        ("fallback_models", [7]),
        ("fallback_timeout", 0),
        ("fallback_timeout", -1),
        ("fallback_timeout", 1.5),
        ("fallback_timeout", 3_600_001),
        ("fallback_timeout", "100"),
        ("fallback_enabled", "yes"),
        ("fallback_enabled", 1),
    ],
)
def test_what_they_cannot_be_is_refused_by_name(door: str, name: str, value: object) -> None:
    with pytest.raises(RequestFault) as caught:
        read(door, {name: value})
    assert caught.value.status == 400
    assert caught.value.param is not None
    assert caught.value.param.startswith(name)


@pytest.mark.parametrize("door", ["responses", "chat", "messages"])
@pytest.mark.parametrize("protocol", ["responses", "chat", "anthropic"])
def test_no_provider_is_sent_them_and_nobody_is_told_of_a_loss(door: str, protocol: str) -> None:
    codecs: dict[str, Codec] = {"responses": ResponsesCodec(), "chat": ChatCodec(), "anthropic": AnthropicCodec()}
    target = Target(provider="p", model="m", protocol=protocol, quirks="generic", base_url="http://x/v1")
    request: Any = read(door, FIELDS)
    written = codecs[protocol].encode(request, target, media={})
    assert b"fallback" not in written.body
    assert not [notice for notice in (*request.notices, *written.notices) if "fallback" in notice.where]


def test_embeddings_are_asked_for_without_them() -> None:
    target = Target(provider="p", model="m", protocol="chat", quirks="generic", base_url="http://x/v1")
    asked = parse_embeddings(msgspec.json.encode({"model": "a", "input": "Hi", **FIELDS}))
    assert b"fallback" not in encode_embeddings(asked.fields, target, url="http://x/v1/embeddings", user=None).body


@pytest.mark.parametrize(
    ("fallbacks", "models"),
    [
        ([{"model": "b"}, {"model": "c", "max_tokens": 5}], {"b", "c"}),
        (["b", "c"], {"b", "c"}),
        ({"models": ["b"], "when": {"model": "c", "type": "overloaded"}}, {"b", "c"}),
        ([], set()),
        (None, set()),
    ],
)
def test_models_that_a_body_names_to_its_provider_are_known(fallbacks: object, models: set[str]) -> None:
    body = {"model": "a", "max_tokens": 5, "messages": MESSAGES, "fallbacks": fallbacks}
    assert parse_messages(msgspec.json.encode(body)).models == models
