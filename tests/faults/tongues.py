"""The four ways in which upstreams speak, each frame of them at hand, so that a test can break whichever it likes.

Every one of them can say the same: a thought, words, a call. What is said comes as frames (whole events of a stream,
framing included) or as one body.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tests.helpers import anthropic_wire, gemini_wire, responses_wire
from tests.helpers.chat_wire import JSON, chat_json, sse, text_chunks
from tests.helpers.upstream import Part, Reply, Seen

__all__ = ["EVENTS", "HELLO", "SPOKEN", "TONGUES", "Call", "Kind", "Piece", "Thought", "Tongue", "Words"]

EVENTS = {"content-type": "text/event-stream"}

#: What can be wrong, whatever it is called.
Kind = Literal[
    "server", "rate_limit", "quota", "overloaded", "refused", "too_long", "too_large", "slow", "credential", "no_model"
]
#: Why an answer ends.
Stop = Literal["", "length", "filter"]


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class Call:
    name: str
    arguments: Mapping[str, Any]


Piece = Thought | Words | Call

SPOKEN = "Hello."
HELLO: Sequence[Piece] = (Words(SPOKEN),)

_SAID: dict[Kind, str] = {
    "server": "The server had an error.",
    "rate_limit": "Slow down.",
    "quota": "You have insufficient credits.",
    "overloaded": "Busy.",
    "refused": "The schema of f is bad.",
    "too_long": "This model's maximum context length is 8192 tokens.",
    "too_large": "Payload too large.",
    "slow": "Too late.",
    "credential": "No.",
    "no_model": "No such model.",
}


class Tongue(ABC):
    """One upstream dialect.

    Attributes:
        name: of the dialect, and of the provider that speaks it.
        closing: how many frames of an answer come behind the last word.
    """

    name: str
    closing: int

    @abstractmethod
    def frames(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "", usage: bool = True) -> list[bytes]:
        """A whole answer in events."""

    @abstractmethod
    def body(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> bytes:
        """A whole answer in one piece."""

    @abstractmethod
    def error(self, kind: Kind, *, said: str = "", code: int = 0) -> JSON:
        """An error object in this dialect's shape."""

    @property
    @abstractmethod
    def bent(self) -> Sequence[bytes]:
        """Frames that are JSON, and not what this dialect has."""

    def spoken(self, pieces: Sequence[Piece] = HELLO) -> list[bytes]:
        """All up to the last word."""
        return self.frames(pieces)[: -self.closing]

    def error_frame(self, kind: Kind) -> bytes:
        """An error in the middle of a stream."""
        return _named("error", self.error(kind))

    def wants_stream(self, request: Seen) -> bool:
        return request.wants_stream

    def answer(self, request: Seen, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> Reply:
        """In whichever form was asked for."""
        if self.wants_stream(request):
            return self.streamed(*self.frames(pieces, stop=stop))
        return self.in_one(pieces, stop=stop)

    def streamed(self, *parts: Part) -> Reply:
        """Each part in a chunk of its own."""
        return Reply(parts, headers=EVENTS, framing="chunked")

    def in_one(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> Reply:
        return Reply([self.body(pieces, stop=stop)], headers={"content-type": "application/json"})

    def fails(self, status: int, kind: Kind, *, said: str = "", headers: Mapping[str, str] | None = None) -> Reply:
        """An HTTP error."""
        body = msgspec.json.encode(self.error(kind, said=said, code=status))
        return Reply([body], status=status, headers={"content-type": "application/json", **(headers or {})})


class Chat(Tongue):
    """Chat Completions."""

    name = "chat"
    closing = 3
    _FINISH: Mapping[Stop, str] = {"length": "length", "filter": "content_filter"}

    def frames(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "", usage: bool = True) -> list[bytes]:
        called = any(isinstance(piece, Call) for piece in pieces)
        finish = self._FINISH.get(stop, "tool_calls" if called else "stop")
        begin, end, counts = text_chunks(finish=finish)
        chunks = [begin]
        for number, piece in enumerate(pieces):
            chunks += [self._chunk(delta) for delta in self._deltas(piece, number)]
        return sse(*chunks, end, *([counts] if usage else []))

    def body(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> bytes:
        calls = [
            {"id": f"call_{number}", "name": piece.name, "arguments": _text(piece.arguments)}
            for number, piece in enumerate(pieces)
            if isinstance(piece, Call)
        ]
        words = "".join(piece.text for piece in pieces if isinstance(piece, Words))
        return msgspec.json.encode(chat_json(words or None, tool_calls=calls, finish=self._FINISH.get(stop)))

    def error(self, kind: Kind, *, said: str = "", code: int = 0) -> JSON:
        del code
        codes = {
            "too_long": "context_length_exceeded",
            "quota": "insufficient_quota",
            "rate_limit": "rate_limit_exceeded",
        }
        kinds = {
            "overloaded": "overloaded_error",
            "refused": "invalid_request_error",
            "credential": "authentication_error",
            "no_model": "not_found_error",
            "slow": "timeout_error",
        }
        told = {"message": said or _SAID[kind], "type": kinds.get(kind, "server_error"), "param": None}
        return {"error": {**told, "code": codes.get(kind)}}

    def error_frame(self, kind: Kind) -> bytes:
        return sse(self.error(kind), done=False)[0]

    @property
    def bent(self) -> Sequence[bytes]:
        shapes = (b'{"choices":7}', b'{"hello":"world"}', b'{"choices":[{"delta":{"content":7}}]}')
        return [b"data: %b\n\n" % shape for shape in shapes]

    def _deltas(self, piece: Piece, number: int) -> list[JSON]:
        match piece:
            case Thought():
                return [{"reasoning_content": half} for half in _halves(piece.text)]
            case Words():
                return [{"content": half} for half in _halves(piece.text)]
            case Call():
                begun = {"index": 0, "id": f"call_{number}", "type": "function"}
                halves = _halves(_text(piece.arguments))
                first = {**begun, "function": {"name": piece.name, "arguments": ""}}
                rest = [{"index": 0, "function": {"arguments": half}} for half in halves]
                return [{"tool_calls": [call]} for call in (first, *rest)]

    def _chunk(self, delta: JSON) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class Native(Tongue):
    """Responses."""

    name = "responses"
    closing = 4

    def frames(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "", usage: bool = True) -> list[bytes]:
        events = responses_wire.events(self._items(pieces), **self._fields(stop, usage=usage))
        return [_named(event["type"], event) for event in events]

    def body(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> bytes:
        return responses_wire.native_json(self._items(pieces), **self._fields(stop))

    def error(self, kind: Kind, *, said: str = "", code: int = 0) -> JSON:
        return Chat().error(kind, said=said, code=code)

    def error_frame(self, kind: Kind) -> bytes:
        return _named("error", self.error(kind))

    @property
    def bent(self) -> Sequence[bytes]:
        return [
            _named("response.output_text.delta", {"delta": 7}),
            _named("response.output_item.added", {"item": 7}),
            _named("response.completed", {"response": 7}),
            b'data: {"hello":"world"}\n\n',
        ]

    def _items(self, pieces: Sequence[Piece]) -> list[JSON]:
        return [self._item(piece, number) for number, piece in enumerate(pieces)]

    def _item(self, piece: Piece, number: int) -> JSON:
        match piece:
            case Thought():
                return responses_wire.thought(piece.text, number=number)
            case Words():
                return responses_wire.message(piece.text, number=number)
            case Call():
                return responses_wire.call(piece.name, _text(piece.arguments), number=number)

    def _fields(self, stop: Stop, *, usage: bool = True) -> JSON:
        counts = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
        fields: JSON = {"usage": counts if usage else None}
        if stop:
            reason = {"length": "max_output_tokens", "filter": "content_filter"}[stop]
            fields |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        return fields


class Anthropic(Tongue):
    """Messages."""

    name = "anthropic"
    closing = 3
    _STOP: Mapping[Stop, str] = {"length": "max_tokens", "filter": "refusal"}
    _TYPES: Mapping[Kind, str] = {
        "rate_limit": "rate_limit_error",
        "quota": "billing_error",
        "overloaded": "overloaded_error",
        "refused": "invalid_request_error",
        "too_long": "invalid_request_error",
        "too_large": "request_too_large",
        "slow": "timeout_error",
        "credential": "authentication_error",
        "no_model": "not_found_error",
    }

    def frames(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "", usage: bool = True) -> list[bytes]:
        events = anthropic_wire.message_events(self._message(pieces, stop))
        if not usage:
            events[0]["message"].pop("usage")
            events[-2].pop("usage")
        return [_named(event["type"], event) for event in events]

    def body(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> bytes:
        return msgspec.json.encode(self._message(pieces, stop))

    def error(self, kind: Kind, *, said: str = "", code: int = 0) -> JSON:
        del code
        said = said or ("prompt is too long: 210000 tokens > 200000 maximum" if kind == "too_long" else _SAID[kind])
        return {"type": "error", "error": {"type": self._TYPES.get(kind, "api_error"), "message": said}}

    @property
    def bent(self) -> Sequence[bytes]:
        return [
            _named("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": 7}),
            _named("content_block_start", {"type": "content_block_start", "index": 1}),
            _named("message_delta", {"type": "message_delta", "delta": {"stop_reason": 7}}),
            b'data: {"hello":"world"}\n\n',
        ]

    def _message(self, pieces: Sequence[Piece], stop: Stop) -> JSON:
        blocks = [self._block(piece, number) for number, piece in enumerate(pieces)]
        return anthropic_wire.message(blocks, stop=self._STOP.get(stop))

    def _block(self, piece: Piece, number: int) -> JSON:
        match piece:
            case Thought():
                return anthropic_wire.thinking(piece.text, "c2VhbA==")
            case Words():
                return anthropic_wire.text(piece.text)
            case Call():
                return anthropic_wire.call(f"toolu_{number}", piece.name, **piece.arguments)


class Gemini(Tongue):
    """generateContent."""

    name = "gemini"
    closing = 1
    _FINISH: Mapping[Stop, str] = {"length": "MAX_TOKENS", "filter": "SAFETY"}
    _STATUS: Mapping[Kind, tuple[int, str]] = {
        "server": (500, "INTERNAL"),
        "rate_limit": (429, "RESOURCE_EXHAUSTED"),
        "quota": (402, "FAILED_PRECONDITION"),
        "overloaded": (503, "UNAVAILABLE"),
        "refused": (400, "INVALID_ARGUMENT"),
        "too_long": (400, "INVALID_ARGUMENT"),
        "too_large": (413, "INVALID_ARGUMENT"),
        "slow": (504, "DEADLINE_EXCEEDED"),
        "credential": (403, "PERMISSION_DENIED"),
        "no_model": (404, "NOT_FOUND"),
    }

    def frames(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "", usage: bool = True) -> list[bytes]:
        chunks = gemini_wire.chunks(self._candidate(pieces, stop))
        if not usage:
            for chunk in chunks:
                chunk.pop("usageMetadata")
        return [b"data: %b\r\n\r\n" % msgspec.json.encode(chunk) for chunk in chunks]

    def body(self, pieces: Sequence[Piece] = HELLO, *, stop: Stop = "") -> bytes:
        return msgspec.json.encode(self._candidate(pieces, stop))

    def error(self, kind: Kind, *, said: str = "", code: int = 0) -> JSON:
        number, word = self._STATUS[kind]
        too_long = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
        said = said or (too_long if kind == "too_long" else _SAID[kind])
        return {"error": {"code": code or number, "message": said, "status": word}}

    def error_frame(self, kind: Kind) -> bytes:
        return b"data: %b\r\n\r\n" % msgspec.json.encode(self.error(kind))

    def wants_stream(self, request: Seen) -> bool:
        return ":streamGenerateContent" in request.path

    @property
    def bent(self) -> Sequence[bytes]:
        shapes = (b'{"candidates":7}', b'{"hello":"world"}', b'{"candidates":[{"content":{"parts":[{"text":7}]}}]}')
        return [b"data: %b\r\n\r\n" % shape for shape in shapes]

    def _candidate(self, pieces: Sequence[Piece], stop: Stop) -> JSON:
        parts = [self._part(piece) for piece in pieces]
        return gemini_wire.candidate(parts, finish=self._FINISH.get(stop, "STOP"))

    def _part(self, piece: Piece) -> JSON:
        match piece:
            case Thought():
                return gemini_wire.text(piece.text, thought=True)
            case Words():
                return gemini_wire.text(piece.text)
            case Call():
                return gemini_wire.call(piece.name, **piece.arguments)


TONGUES: Mapping[str, Tongue] = {tongue.name: tongue for tongue in (Chat(), Native(), Anthropic(), Gemini())}


def _named(name: str, event: JSON) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **event}))


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
