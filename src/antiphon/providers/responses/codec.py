"""The Responses dialect towards an upstream: the gateway's own, so that as little as possible is written anew."""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from antiphon.protocol.faults import Fault, RequestFault
from antiphon.protocol.request import WEB_SEARCH, Request
from antiphon.protocol.target import Target
from antiphon.providers.address import address
from antiphon.providers.base import Decoder, Encoded, InlineMedia
from antiphon.providers.names import ToolNames
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.registry import effective
from antiphon.providers.responses.body import Written, edit_body, write_body
from antiphon.providers.responses.decode import ResponsesFrames
from antiphon.providers.responses.parts import media_urls
from antiphon.providers.responses.reader import Expected
from antiphon.providers.shared.faults import http_fault
from antiphon.providers.shared.framing import Framing
from antiphon.providers.stop_sequences import stopping_at

__all__ = ["ResponsesCodec"]

_encode = msgspec.json.Encoder().encode
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}(?:\.[a-z0-9_]{1,32}|\[\d{1,6}\]){0,8}")


class _Error(Struct, frozen=True):
    param: str | None = None


class _Failure(Struct, frozen=True):
    error: _Error | None = None


_failure = msgspec.json.Decoder(_Failure).decode


class ResponsesCodec:
    """Implements `providers.base.Codec`. Holds nothing: one serves all."""

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request: from the client's own body where that speaks this dialect.

        Raises:
            RequestFault: 400 for what cannot be said to this upstream, and for objects at its account.
        """
        quirks = effective(target.quirks, target.model)
        stream = _streams(request, target, quirks)
        write = edit_body if request.dialect == "responses" and request.body else write_body
        written: Written = write(request, target, media=media)
        body = written.body
        if stream or "stream" in body:
            body["stream"] = stream
        if not stream:
            body.pop("stream_options", None)
        body.update(target.params)
        return Encoded(
            url=address(target, "/responses"),
            headers=_headers(target, quirks, stream=stream),
            body=_encode(body),
            stream=stream,
            notices=tuple(written.notices),
        )

    def hosts(self, kind: str, target: Target) -> bool:
        """Searching the web, where the provider does; of all else nobody knows what such a provider has."""
        quirks = effective(target.quirks, target.model)
        return quirks.search("responses") if kind.startswith(WEB_SEARCH) else not quirks.responses_bare

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """The URLs to fetch: all, where the upstream is not trusted to fetch them from the public internet."""
        return () if target.fetches_urls else tuple(media_urls(request.input))

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for one answer."""
        quirks = effective(target.quirks, target.model)
        thoughts = quirks.responses_thoughts and "reasoning.encrypted_content" in request.include
        expected = Expected(thoughts=thoughts)
        if quirks.responses_bare:
            names = ToolNames(request.tools) if request.tools else None
            expected = Expected(
                names=None if names is None or names.plain else names,
                hidden_limit=request.max_output_tokens,
                thoughts=thoughts,
            )
        framing = Framing(ResponsesFrames(expected, target), target, content_type=content_type)
        return stopping_at(() if "stop" in quirks.responses_fields else request.stop, framing)

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx."""
        fault = http_fault(status, headers, body=body, target=target)
        if isinstance(fault, RequestFault) and fault.param is None:
            fault.param = _param(body)
        return fault


def _param(body: bytes) -> str | None:
    """The field at fault, which has the same name in the client's request. Items are not at the same place there."""
    try:
        error = _failure(body).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    param = error.param if error is not None else None
    if param is None or _FIELD.fullmatch(param) is None:
        return None
    return "input" if param.startswith("input") else param


def _streams(request: Request, target: Target, quirks: Quirks) -> bool:
    """The operator's overlay and setting go before what is known of the provider, that before the client's wish."""
    overlay = target.params.get("stream")
    if overlay is not None:
        return bytes(overlay) == b"true"
    for setting in (target.stream, quirks.stream):
        if setting != "auto":
            return setting == "always"
    return request.stream


def _headers(target: Target, quirks: Quirks, *, stream: bool) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
    }
    if target.credential is not None:
        headers[quirks.auth_header] = quirks.auth_prefix + target.credential.secret.value
    headers.update((name.lower(), value) for name, value in target.headers.items())
    return headers
