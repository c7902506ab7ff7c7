"""The Anthropic Messages dialect towards an upstream."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import Fault
from antiphon.protocol.request import WEB_SEARCH, Request
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.address import VERTEX_VERSION, endpoint, headers_for, is_vertex
from antiphon.providers.anthropic.decode import AnthropicFrames
from antiphon.providers.anthropic.encode import write_request
from antiphon.providers.anthropic.faults import http_fault
from antiphon.providers.anthropic.models import facts_of
from antiphon.providers.anthropic.params import answer_tool, blank_stops
from antiphon.providers.anthropic.parts import media_urls
from antiphon.providers.anthropic.reader import Expected
from antiphon.providers.anthropic.state import PausedCalls
from antiphon.providers.anthropic.verbatim import edit_body
from antiphon.providers.base import Decoder, Encoded, InlineMedia
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.names import ToolNames
from antiphon.providers.registry import effective
from antiphon.providers.shared.framing import Framing
from antiphon.providers.stop_sequences import stopping_at

__all__ = ["AnthropicCodec"]

_encode = msgspec.json.Encoder().encode


class AnthropicCodec:
    """Implements `providers.base.Codec`. Holds nothing: one serves all."""

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request: from the client's own body where that speaks this dialect.

        Raises:
            RequestFault: 400 `unsupported_parameter` for what cannot be said to this upstream.
        """
        stream = _streams(request, target)
        url = endpoint(target, stream=stream)
        verbatim = _is_verbatim(request)
        written = (edit_body if verbatim else write_request)(request, target, media=media)
        body: dict[str, object] = {} if "model" in written.body else {"model": target.model}
        body.update(written.body)
        body["model"] = target.model  # in the place that the client gave it
        if stream or "stream" in body:
            body["stream"] = stream
        body.update(target.params)
        if is_vertex(target):
            del body["model"]
            body.setdefault("anthropic_version", VERTEX_VERSION)
        return Encoded(
            url=url,
            headers=headers_for(target, effective(target.quirks, target.model), stream=stream, betas=written.betas),
            body=_encode(body),
            stream=stream,
            notices=written.notices,
        )

    def hosts(self, kind: str, target: Target) -> bool:
        """Searching the web, but for servers that only speak the dialect."""
        return kind.startswith(WEB_SEARCH) and effective(target.quirks, target.model).search("anthropic")

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """The URLs to fetch: where the upstream is not trusted to fetch, and documents that are no PDF."""
        if _is_verbatim(request) and target.fetches_urls:
            return ()  # the client named them in the upstream's own words
        return tuple(media_urls(request.input, target))

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for one answer."""
        if request.dialect == "messages":  # its body was sent as it came, and may have been let go since
            frames = AnthropicFrames(Expected(vendor=True), target)
            return Framing(frames, target, content_type=content_type)
        is_resumable = request.has_hosted_tools
        expected = Expected(
            answer_tool=answer_tool(request, facts_of(target.model)),
            resumable=is_resumable,
            waiting=_waiting(request) if is_resumable else {},
        )
        calls = None
        if request.tools:
            names = ToolNames(request.tools)
            calls = None if names.plain else ClientCalls(names)
        framing = Framing(AnthropicFrames(expected, target), target, content_type=content_type, calls=calls)
        return stopping_at(blank_stops(request), framing)

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx."""
        return http_fault(status, headers, body=body, target=target)


def _is_verbatim(request: Request) -> bool:
    return request.dialect == "messages" and bool(request.body)


def _waiting(request: Request) -> Mapping[str, Raw]:
    """The vendor's own calls before an interruption of the same answer that have no result yet."""
    return PausedCalls(item.state.payload for item in request.input if item.state is not None).waiting


def _streams(request: Request, target: Target) -> bool:
    """The operator's overlay and setting go before the client's wish."""
    overlay = target.params.get("stream", Raw())
    if bytes(overlay):
        return bytes(overlay) == b"true"
    return request.stream if target.stream == "auto" else target.stream == "always"
