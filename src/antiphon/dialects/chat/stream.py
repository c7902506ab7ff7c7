"""A run's events as chunks of Chat Completions."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Raw, Struct

from antiphon.dialects.chat.said import Said, finish_reason, usage_fields
from antiphon.dialects.chat.sources import WebSources
from antiphon.protocol import events
from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.response import (
    CustomCallItem,
    ErrorBody,
    FunctionCallItem,
    MessageItem,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    Response,
)
from antiphon.protocol.usage import Usage

__all__ = ["DONE", "ChatStream", "Head", "chat_annotation", "chat_id", "error_fields", "sealed_detail"]

DONE = b"data: [DONE]\n\n"

_HEARTBEAT = b": keep-alive\n\n"
_BLANK_LINE = "\n\n"
_IN_BAND_TYPES = {
    "rate_limit_exceeded": "rate_limit_error",
    "insufficient_quota": "billing_error",
    "invalid_prompt": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
}
_NONE: Mapping[str, object] = MappingProxyType({})
_encode = msgspec.json.Encoder().encode


class _Citation(Struct, frozen=True):
    type: str
    start_index: int = 0
    end_index: int = 0
    url: str = ""
    title: str | None = None


_citation = msgspec.json.Decoder(_Citation)


def chat_id(response: Response) -> str:
    """The id of the answer: that of our response with this dialect's prefix."""
    return "chatcmpl-" + response.id.removeprefix("resp_")


def chat_annotation(raw: Raw, *, offset: int) -> dict[str, object] | None:
    """A citation as Chat nests it, `offset` characters further on; `None` for kinds that Chat has no word for."""
    cited = _citation.decode(raw)
    if cited.type != "url_citation":
        return None
    nested = {
        "start_index": cited.start_index + offset,
        "end_index": cited.end_index + offset,
        "url": cited.url,
        "title": cited.title or "",
    }
    return {"type": "url_citation", "url_citation": nested}


def sealed_detail(item: ReasoningItem, *, index: int) -> dict[str, object] | None:
    """What the provider wants back with a thought, as an entry of `reasoning_details`; clients return it unchanged."""
    if item.encrypted_content is UNSET:
        return None
    return {"type": "reasoning.encrypted", "data": item.encrypted_content, "id": item.id, "index": index}


def error_fields(error: ErrorBody | None) -> dict[str, object]:
    """The `error` object for a failure in the middle of a stream."""
    if error is None:
        return {"message": "The response failed.", "type": "server_error", "param": None, "code": None}
    code = error.code if error.reason is UNSET else error.reason
    kind = _IN_BAND_TYPES.get(error.code, "server_error")
    return {"message": error.message, "type": kind, "param": None, "code": code}


class Head:
    """What the chunks of all choices of an answer have in common. The first response to begin gives its id.

    Attributes:
        said: by the upstream, of the first choice.
        sources: of a search of the web. `web`: one was asked for.
    """

    __slots__ = ("_bytes", "_id", "_own", "said", "sources")

    def __init__(self, *, web: bool = False) -> None:
        self._id: str | None = None
        self._own: dict[str, object] = {}
        self._bytes: bytes | None = None
        self.said = Said()
        self.sources = WebSources(asked=web)

    def begin(self, response: Response) -> None:
        """The answer has this id. Only the first one counts."""
        if self._id is None:
            self._id = chat_id(response)
            created = {"created": response.created_at, "model": response.model}
            self._own = {"id": self._id, "object": "chat.completion.chunk", **created}

    def see(self, delta: OutcomeDelta) -> None:
        """What the upstream said."""
        self.said.see(delta)
        self.sources.see(delta)
        self._bytes = None

    def chunk(self, choices: Sequence[object], more: Mapping[str, object]) -> bytes:
        """A chunk with anything in it; the first one tells all that the upstream said at the beginning."""
        once, self.said.once = self.said.once, {}
        return b"data: %b\n\n" % _encode({**self._own, **self.said.always, "choices": choices, **once, **more})

    def start(self) -> bytes:
        """The beginning of a plain chunk, up to its choices."""
        if self._bytes is None:
            self._bytes = b"data: %b" % _encode({**self._own, **self.said.always})[:-1]
        return self._bytes


class ChatStream:
    """Implements `dialects.base.StreamEncoder` for one choice.

    Args:
        head: shared by the choices of an answer.
        index: of the choice.
        include_usage: a chunk with the usage comes behind the last choice; all others say `usage: null`.
        legacy: a call is told as `function_call`, of which there can only be one.
    """

    __slots__ = (
        "_calls", "_details", "_gap", "_head", "_include_usage", "_index", "_legacy", "_length", "_part_start",
        "_role_said", "_text_start", "_text_tail", "_thought",
    )  # fmt: skip

    heartbeat = _HEARTBEAT

    def __init__(self, head: Head, *, index: int = 0, include_usage: bool = False, legacy: bool = False) -> None:
        self._head = head
        self._index = index
        self._include_usage = include_usage
        self._legacy = legacy
        self._role_said = False
        self._calls: dict[int, int] = {}  # output index -> index of the call
        self._length = 0  # characters of text so far
        self._part_start = 0  # where the open text part begins: citations count from there
        self._thought = False
        self._gap = False  # a part of the reasoning begins that is not the first
        self._details = 0
        self._text_start = b',"choices":[{"index":%d,"delta":{"content":' % index
        self._text_tail = b'},"logprobs":null,"finish_reason":null}]%b}\n\n' % (
            b',"usage":null' if include_usage else b""
        )

    def see(self, delta: OutcomeDelta) -> None:
        """Only the first choice's upstream speaks for the answer."""
        if not self._index:
            self._head.see(delta)

    def encode(self, batch: Sequence[events.Event]) -> bytes:
        """Chunks for what this dialect can tell; nothing for all else."""
        event = batch[0]
        if len(batch) == 1 and type(event) is events.TextDelta and not event.logprobs:  # nearly always
            text = event.delta
            self._length += len(text)
            return b"%b%b%b%b" % (self._head.start(), self._text_start, _encode(text), self._text_tail)
        return b"".join(map(self._encode_one, batch))

    def end(self, batch: Sequence[events.Event]) -> bytes:
        """The last chunks, the usage, and the end marker; behind an error nothing."""
        last = batch[-1]
        if isinstance(last, events.Failed):
            return b"".join(map(self._encode_one, batch[:-1])) + self.error(last.response.error)
        usage = last.response.usage if isinstance(last, events.TERMINAL) else None
        return self.finish(batch) + self.close(usage) + DONE

    def finish(self, batch: Sequence[events.Event]) -> bytes:
        """The last chunks of the choice alone."""
        written = b"".join(map(self._encode_one, batch[:-1]))
        last = batch[-1]
        if not isinstance(last, events.TERMINAL):
            return written
        reason = finish_reason(last.response, called=bool(self._calls), legacy=self._legacy)
        said = self._head.said
        last_said = {**said.last, **self._head.sources.fields(last.response)}
        return written + self._role(None) + self._chunk({}, {"finish_reason": reason, **said.choice}, last_said)

    def close(self, usage: Usage | None, *, several: bool = False) -> bytes:
        """The chunk with the usage, where it was asked for."""
        if not self._include_usage or usage is None:
            return b""
        native = None if several else self._head.said.usage
        return self._head.chunk((), {"usage": usage_fields(usage, native)})

    def error(self, error: ErrorBody | None) -> bytes:
        """What ends a stream that failed."""
        return b"data: %b\n\n" % _encode({"error": error_fields(error)})

    def _encode_one(self, event: events.Event) -> bytes:
        match event:
            case events.ItemAdded():
                return self._begin(event.item, event.output_index)
            case events.ItemDone(item=ReasoningItem() as thought):
                return self._seal(thought)
            case events.Created():
                self._head.begin(event.response)
            case events.SummaryPartAdded():
                self._think()
            case events.ContentPartAdded():
                self._begin_part(event)
            case _:
                return self._append(event)
        return b""

    def _append(self, event: events.Event) -> bytes:
        """A piece of what was begun."""
        delta: dict[str, object]
        logprobs: dict[str, object] = {}
        match event:
            case events.TextDelta():
                self._length += len(event.delta)
                delta = {"content": event.delta}
                if event.logprobs:
                    logprobs = {"logprobs": {"content": event.logprobs, "refusal": None}}
            case events.RefusalDelta():
                delta = {"refusal": event.delta}
            case events.ArgumentsDelta() | events.CustomInputDelta():
                return self._arguments(event)
            case events.SummaryTextDelta() | events.ReasoningTextDelta():
                gap, self._gap = self._gap, False
                delta = {"reasoning_content": _BLANK_LINE + event.delta if gap else event.delta}
            case events.AnnotationAdded():
                cited = chat_annotation(event.annotation, offset=self._part_start)
                if cited is None:
                    return b""
                delta = {"annotations": [cited]}
            case _:
                return b""
        return self._chunk(delta, logprobs)

    def _begin(self, item: OutputItem, output_index: int) -> bytes:
        match item:
            case MessageItem():
                return self._role("")
            case ReasoningItem():
                return self._role(None)
            case FunctionCallItem() | CustomCallItem():
                number = self._calls[output_index] = len(self._calls)
                return self._role(None) + self._open_call(item, number)
        return b""

    def _open_call(self, item: FunctionCallItem | CustomCallItem, number: int) -> bytes:
        if isinstance(item, CustomCallItem):
            custom = {"name": item.name, "input": ""}
            return self._call({"index": number, "id": item.call_id, "type": "custom", "custom": custom})
        function = {"name": item.name, "arguments": ""}
        if self._legacy:
            return b"" if number else self._chunk({"function_call": function})
        return self._call({"index": number, "id": item.call_id, "type": "function", "function": function})

    def _arguments(self, event: events.ArgumentsDelta | events.CustomInputDelta) -> bytes:
        number = self._calls[event.output_index]
        if isinstance(event, events.CustomInputDelta):
            return self._call({"index": number, "custom": {"input": event.delta}})
        function = {"arguments": event.delta}
        if self._legacy:
            return b"" if number else self._chunk({"function_call": function})
        return self._call({"index": number, "function": function})

    def _call(self, call: Mapping[str, object]) -> bytes:
        return self._chunk({"tool_calls": [call]})

    def _begin_part(self, event: events.ContentPartAdded) -> None:
        if isinstance(event.part, OutputTextPart):
            self._part_start = self._length
        elif isinstance(event.part, ReasoningTextPart):
            self._think()

    def _think(self) -> None:
        self._gap = self._thought
        self._thought = True

    def _seal(self, thought: ReasoningItem) -> bytes:
        detail = sealed_detail(thought, index=self._details)
        if detail is None:
            return b""
        self._details += 1
        return self._chunk({"reasoning_details": [detail]})

    def _role(self, content: str | None) -> bytes:
        """The first chunk of all."""
        if self._role_said:
            return b""
        self._role_said = True
        return self._chunk({"role": "assistant", "content": content, "refusal": None})

    def _chunk(
        self,
        delta: Mapping[str, object],
        choice: Mapping[str, object] | None = None,
        more: Mapping[str, object] = _NONE,
    ) -> bytes:
        fields = {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": None, **(choice or _NONE)}
        return self._head.chunk((fields,), {**more, "usage": None} if self._include_usage else more)
