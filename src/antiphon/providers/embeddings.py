"""Embeddings: one dialect, OpenAI's, which is passed on almost as it is. Pure, as codecs are."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.target import Target
from antiphon.providers.address import address
from antiphon.providers.base import Encoded
from antiphon.providers.registry import effective, known
from antiphon.providers.shared.account import drop_elsewhere

__all__ = ["EmbeddingsAnswer", "embeddings_url", "encode_embeddings", "read_embeddings"]

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw])
_OPENAIS = ("chat", "responses")


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None


_usage = msgspec.json.Decoder(_Usage)


class EmbeddingsAnswer(Struct, frozen=True):
    """What the upstream said, under the name that the client knows. Without `input_tokens` it did not count."""

    body: bytes
    input_tokens: int | None = None


def embeddings_url(target: Target) -> str | None:
    """Where the target's provider makes embeddings; `None` where it does not, or in another dialect only.

    Google's own address has an endpoint in OpenAI's dialect beside it; other servers that speak Gemini have none.
    """
    if target.protocol in _OPENAIS:
        return address(target, "/embeddings")
    facts = known("gemini")
    if facts is not None and target.base_url == facts.address("gemini"):
        return f"{facts.base_url}/embeddings"
    return None


def encode_embeddings(fields: Mapping[str, Raw], target: Target, *, url: str, user: str | None) -> Encoded:
    """The upstream request: the client's body with the provider's name of the model and the operator's overlay."""
    body: dict[str, object] = {**fields, "model": target.model}
    body.pop("user", None)
    drop_elsewhere(body)
    if user is not None:
        body["user"] = user
    body.update(target.params)
    facts = effective(target.quirks, target.model)
    headers = {"content-type": "application/json", "accept": "application/json"}
    if target.credential is not None:
        headers[facts.auth_header] = facts.auth_prefix + target.credential.secret.value
    headers.update((name.lower(), value) for name, value in target.headers.items())
    return Encoded(url=url, headers=headers, body=_encode(body), stream=False)


def read_embeddings(body: bytes, *, model: str) -> EmbeddingsAnswer | None:
    """An answer with `model` for its name; numbers stay as they were written. `None` when it is no such answer."""
    try:
        body.decode()
        fields = _fields.decode(body)
        counted = _tokens(fields.get("usage"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    data = fields.get("data")
    if data is None or bytes(memoryview(data)[:1]) != b"[":  # without a copy: this is nearly all of the answer
        return None
    named = {name: value for name, value in fields.items() if name != "model"}
    return EmbeddingsAnswer(_encode({"object": "list", **named, "model": model}), counted)


def _tokens(usage: Raw | None) -> int | None:
    if usage is None or bytes(usage) == b"null":
        return None
    counted = _usage.decode(usage).prompt_tokens
    return counted if counted is not None and counted >= 0 else None
