"""The generateContent dialect towards an upstream: the Gemini API, or Vertex AI, which the base URL tells apart."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw

from antiphon.protocol.faults import Fault
from antiphon.protocol.request import Request
from antiphon.protocol.target import Target
from antiphon.providers.address import model_path
from antiphon.providers.base import Decoder, Encoded, InlineMedia
from antiphon.providers.client_calls import ClientCalls
from antiphon.providers.gemini.contents import Transcript
from antiphon.providers.gemini.decode import GeminiFrames
from antiphon.providers.gemini.faults import http_fault
from antiphon.providers.gemini.models import Facts, facts_of
from antiphon.providers.gemini.objects import ObjectSplitter
from antiphon.providers.gemini.params import MOST_STOPS, ParamWriter
from antiphon.providers.gemini.parts import Fetching, PartWriter, media_urls
from antiphon.providers.gemini.reader import Expected
from antiphon.providers.gemini.wire import Content, WirePart
from antiphon.providers.names import ToolNames
from antiphon.providers.shared.framing import Framing
from antiphon.providers.stop_sequences import stopping_at

__all__ = ["GeminiCodec", "auth_headers"]

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw])

#: Objects of which an operator sets a field without losing what the codec wrote into the others.
_JOINED = ("generationConfig", "toolConfig")
#: API keys look like these; everything else at Vertex is an access token.
_API_KEYS = ("AIza", "AQ.")
_ACCESS_TOKEN = "ya29."  # noqa: S105 - how Google's tokens begin, no secret
#: Model names that are a path already.
_PATHS = ("models/", "tunedModels/", "publishers/", "endpoints/", "projects/")


def auth_headers(target: Target) -> dict[str, str]:
    """The key as Google wants to be shown it, and what the configuration adds."""
    configured = {name.lower(): value for name, value in target.headers.items()}
    if target.credential is None or "authorization" in configured:
        return configured
    secret = target.credential.secret.value
    if secret.startswith(_ACCESS_TOKEN) or (_is_vertex(target) and not secret.startswith(_API_KEYS)):
        return {"authorization": f"Bearer {secret}", **configured}
    return {"x-goog-api-key": secret, **configured}


class GeminiCodec:
    """Implements `providers.base.Codec`. Holds nothing: one serves all."""

    def encode(self, request: Request, target: Target, *, media: InlineMedia) -> Encoded:
        """Write the upstream request.

        Raises:
            RequestFault: 400 `unsupported_parameter` for what Gemini, or this model, cannot be told.
        """
        facts = facts_of(target.model)
        params = ParamWriter(request, facts, is_vertex=_is_vertex(target))
        params.write()
        uploads = _base_url(target) if target.upstream_ids == "allow" else ""
        parts = PartWriter(media, _fetching(target, facts), uploads=uploads)
        transcript = Transcript(facts, parts)
        for text in (request.instructions, params.prompt):
            if text:
                transcript.instruct(text)
        for item in request.input:
            transcript.add(item)
        body: dict[str, object] = {"contents": transcript.contents(), **params.body}
        if transcript.system:
            body["systemInstruction"] = Content("user", [WirePart(text=text) for text in transcript.system])
        _overlay(body, target.params)
        stream = _streams(request, target)
        return Encoded(
            url=_url(target, stream=stream),
            headers=_headers(target, stream=stream),
            body=_encode(body),
            stream=stream,
            notices=(*params.notices, *transcript.notices, *parts.notices),
        )

    def hosts(self, kind: str, target: Target) -> bool:  # noqa: ARG002 - the same for all its models
        """Searching the web."""
        return kind.startswith("web_search")

    def media_urls(self, request: Request, target: Target) -> tuple[str, ...]:
        """The URLs to fetch: all that Google is not to fetch, or of which it must be told what they are."""
        return tuple(media_urls(request.input, _fetching(target, facts_of(target.model))))

    def decoder(self, request: Request, target: Target, *, content_type: str) -> Decoder:
        """A decoder for one answer."""
        expected = Expected(logprobs=request.wants_logprobs, one_call=request.parallel_tool_calls is False)
        names = ToolNames(request.tools) if request.tools else None
        calls = None if names is None or names.plain else ClientCalls(names)
        frames, bodies = GeminiFrames(expected, target), ObjectSplitter()
        framing = Framing(frames, target, content_type=content_type, calls=calls, bodies=bodies)
        return stopping_at(request.stop[MOST_STOPS:], framing)

    def fault(self, status: int, headers: Mapping[str, str], *, body: bytes, target: Target) -> Fault:
        """Explain an answer that is no 2xx."""
        return http_fault(status, headers, body=body, target=target)


def _is_vertex(target: Target) -> bool:
    return "aiplatform.googleapis.com" in (urlsplit(target.base_url).hostname or "")


def _fetching(target: Target, facts: Facts) -> Fetching:
    """What a server that is only like Google's may fetch, the operator decides: it may stand in a private network."""
    is_google = (urlsplit(target.base_url).hostname or "").endswith(".googleapis.com")
    return Fetching(web=target.fetches_urls and facts.web_files, youtube=is_google or target.fetches_urls)


def _base_url(target: Target) -> str:
    """The OpenAI-compatible endpoint lies below the native one, and is what many have as Gemini's base URL."""
    return target.base_url.removesuffix("/openai")


def _streams(request: Request, target: Target) -> bool:
    """The operator's overlay and setting go before the client's wish."""
    overlay = target.params.get("stream")
    if overlay is not None:
        return bytes(overlay) == b"true"
    return request.stream if target.stream == "auto" else target.stream == "always"


def _url(target: Target, *, stream: bool) -> str:
    model = target.model if target.model.startswith(_PATHS) else f"models/{target.model}"
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"{_base_url(target)}/{model_path(model, safe='/@:')}:{method}"


def _headers(target: Target, *, stream: bool) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
    }
    return headers | auth_headers(target)


def _overlay(body: dict[str, object], params: Mapping[str, Raw]) -> None:
    """The operator's fields win, inside the shared objects one by one. How to stream is said in the URL."""
    for name, value in params.items():
        if name == "stream":
            continue
        have = body.get(name)
        if name in _JOINED and isinstance(have, dict) and bytes(value)[:1] == b"{":
            body[name] = {**have, **_fields.decode(value)}
        else:
            body[name] = value
