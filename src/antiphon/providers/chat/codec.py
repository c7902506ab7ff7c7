"""The Chat Completions dialect towards an upstream."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, structs

from antiphon.protocol.faults import Fault
from antiphon.protocol.request import WEB_SEARCH, Notice, Request
from antiphon.protocol.target import Target
from antiphon.providers.address import address
from antiphon.providers.base import Decoder, Encoded, InlineMedia
from antiphon.providers.chat.decode import ChatFrames
from antiphon.providers.chat.messages import Transcript
from antiphon.providers.chat.params import ParamWriter
from antiphon.providers.chat.parts import media_urls
from antiphon.providers.chat.reader import Expected
from antiphon.providers.chat.searches import lost_count, search_reader
from antiphon.providers.chat.verbatim import Edited, edit_body, is_verbatim
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.hosted import drop_fields
from antiphon.providers.names import ToolNames
from antiphon.providers.quirks.base import Quirks
from antiphon.providers.registry import effective
from antiphon.providers.shared.faults import http_fault
from antiphon.providers.shared.framing import Framing
from antiphon.providers.stop_sequences import stopping_at

__all__ = ["ChatCodec"]

_encode = msgspec.json.Encoder().encode


class ChatCodec:
    """Implements `providers.base.Codec`. Holds nothing: one serves all."""

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request.

        Raises:
            RequestFault: 400 `unsupported_parameter` for what Chat, or this upstream, cannot say.
        """
        quirks = _facts(target)
        written = (edit_body if is_verbatim(request) else _write)(request, target, quirks, media=media)
        stream = _streams(request, target, quirks)
        body: dict[str, object] = {"model": target.model, **written.body}
        body["model"] = target.model
        _ask_for_stream(body, stream=stream, usage=quirks.usage_in_stream)
        body.update(quirks.extra)
        body.update(target.params)
        return Encoded(
            url=address(target, "/chat/completions"),
            headers=_headers(target, quirks, stream=stream),
            body=_encode(body),
            stream=stream,
            notices=(*written.notices, *lost_count(request, quirks.chat_search)),
        )

    def hosts(self, kind: str, target: Target) -> bool:
        """Searching the web, where the provider or the model is known for it."""
        return kind.startswith(WEB_SEARCH) and effective(target.quirks, target.model).chat_search != "none"

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """The URLs to fetch: images where the upstream is not trusted to fetch, documents always."""
        return tuple(media_urls(request.input, _facts(target)))

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for one answer."""
        quirks = effective(target.quirks, target.model)
        replays = quirks.reasoning_replay
        expected = Expected(
            logprobs=request.wants_logprobs,
            think_tags=quirks.think_tags,
            details=replays == "reasoning_details",
            vendor=request.dialect == "chat",
            thoughts=replays != "none" and "reasoning.encrypted_content" in request.include,
        )
        calls = None
        if request.tools:
            names = ToolNames(request.tools)
            expected = structs.replace(expected, known=names.known, call_extra=quirks.call_extra == "extra_content")
            calls = None if names.plain else ClientCalls(names, native=quirks.custom_tools)
        frames = ChatFrames(expected, target, search_reader(request, quirks.chat_search))
        framing = Framing(frames, target, content_type, calls)
        return stopping_at(request.stop[quirks.stop_max :], framing) if request.stop else framing

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx."""
        return http_fault(status, headers, body=body, target=target)


def _write(request: Request, target: Target, quirks: Quirks, *, media: InlineMedia) -> Edited:
    """The body, written from what was understood."""
    params = ParamWriter(request, quirks)
    params.write()
    transcript = Transcript(quirks, target.provider, media=media, file_ids=target.upstream_ids == "allow")
    for text in (request.instructions, params.prompt):
        if text:
            transcript.instruct(text)
    for item in request.input:
        transcript.add(item)
    messages = transcript.messages()
    if transcript.continued:
        params.notices.append(Notice("input", "emulated", "last_message_must_be_user"))
    notices = (*drop_fields(request), *params.notices, *transcript.notices)
    return Edited({"messages": messages, **params.body}, notices)


def _ask_for_stream(body: dict[str, object], *, stream: bool, usage: bool) -> None:
    """With the usage, where the upstream can be asked for it: it is counted here, whatever the client wants."""
    options = body.pop("stream_options", None)
    if not stream:
        if "stream" in body:
            body["stream"] = False
        return
    body["stream"] = True
    kept = msgspec.json.decode(options, type=dict[str, object] | None) or {} if isinstance(options, Raw) else {}
    kept.pop("include_usage", None)
    if usage:
        kept["include_usage"] = True
    if kept:
        body["stream_options"] = kept


def _facts(target: Target) -> Quirks:
    """What is known of the provider; but whether this server may be left to fetch URLs, the catalogue decides.

    A server that is only like a vendor may stand in the operator's network, and reach there what a client must not.
    """
    facts = effective(target.quirks, target.model)
    if facts.fetches_urls == target.fetches_urls:
        return facts
    return structs.replace(facts, fetches_urls=target.fetches_urls)


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
    for name, value in target.headers.items():
        headers[name.lower()] = value
    return headers
