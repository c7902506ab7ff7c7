"""A response as one whole answer of Chat Completions."""

from collections.abc import Sequence

import msgspec

from antiphon.dialects.chat.said import Said, finish_reason, usage_fields
from antiphon.dialects.chat.sources import WebSources
from antiphon.dialects.chat.stream import chat_annotation, chat_id, sealed_detail
from antiphon.protocol.deltas import OutcomeDelta
from antiphon.protocol.response import (
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    RefusalPart,
    Response,
)
from antiphon.protocol.usage import Usage

__all__ = ["ChatAnswer", "encode_answer"]

_BLANK_LINE = "\n\n"
_encode = msgspec.json.Encoder().encode


class ChatAnswer:
    """Implements `dialects.base.AnswerEncoder`; with `encode_answer` also several of them make one answer."""

    __slots__ = ("_legacy", "said", "sources")

    def __init__(self, *, legacy: bool = False, web: bool = False) -> None:
        self._legacy = legacy
        self.said = Said()
        self.sources = WebSources(asked=web)

    def see(self, delta: OutcomeDelta) -> None:
        """What the upstream said about it."""
        self.said.see(delta)
        self.sources.see(delta)

    def encode(self, response: Response) -> bytes:
        """The body."""
        return encode_answer([response], [self], usage=response.usage)

    def choice(self, response: Response, index: int) -> dict[str, object]:
        """One choice."""
        message = _Message()
        for item in response.output:
            message.add(item)
        reason = finish_reason(response, called=bool(message.calls), legacy=self._legacy)
        return {
            "index": index,
            "message": {**message.fields(legacy=self._legacy), **self.said.message},
            "logprobs": {"content": message.logprobs, "refusal": None} if message.logprobs else None,
            "finish_reason": reason,
            **self.said.choice,
        }


def encode_answer(responses: Sequence[Response], answers: Sequence[ChatAnswer], *, usage: Usage | None) -> bytes:
    """The body with a choice for each response. The first one gives it its id, and its upstream speaks for all."""
    first, said = responses[0], answers[0].said
    fields: dict[str, object] = {
        "id": chat_id(first),
        "object": "chat.completion",
        "created": first.created_at,
        "model": first.model,
        "choices": [
            answer.choice(response, index)
            for index, (response, answer) in enumerate(zip(responses, answers, strict=True))
        ],
    }
    if usage is not None:
        fields["usage"] = usage_fields(usage, said.usage if len(responses) == 1 else None)
    return _encode({**fields, **said.always, **said.once, **said.last, **answers[0].sources.fields(first)})


class _Message:
    """The items of one response, joined."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []
        self.logprobs: list[object] = []
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._annotations: list[dict[str, object]] = []
        self._details: list[dict[str, object]] = []

    def add(self, item: object) -> None:
        """The next item; those that Chat has no word for are not told."""
        match item:
            case MessageItem():
                for part in item.content:
                    self._say(part)
            case ReasoningItem():
                self._thoughts += [part.text for part in item.summary]
                self._thoughts += [part.text for part in item.content or () if isinstance(part, ReasoningTextPart)]
                detail = sealed_detail(item, index=len(self._details))
                self._details += [detail] if detail is not None else []
            case FunctionCallItem():
                function = {"name": item.name, "arguments": item.arguments}
                self.calls.append({"id": item.call_id, "type": "function", "function": function})
            case CustomCallItem():
                custom = {"name": item.name, "input": item.input}
                self.calls.append({"id": item.call_id, "type": "custom", "custom": custom})

    def fields(self, *, legacy: bool) -> dict[str, object]:
        """The message."""
        fields: dict[str, object] = {
            "role": "assistant",
            "content": "".join(self._texts) if self._texts else None,
            "refusal": "".join(self._refusals) if self._refusals else None,
            "annotations": self._annotations,
        }
        if self._thoughts:
            fields["reasoning_content"] = _BLANK_LINE.join(self._thoughts)
        if self._details:
            fields["reasoning_details"] = self._details
        if self.calls and legacy:
            fields["function_call"] = self.calls[0]["function"]
        elif self.calls:
            fields["tool_calls"] = self.calls
        return fields

    def _say(self, part: object) -> None:
        if isinstance(part, RefusalPart):
            self._refusals.append(part.refusal)
        elif isinstance(part, OutputTextPart):
            for raw in part.annotations:
                cited = chat_annotation(raw, offset=self._length)
                self._annotations += [cited] if cited is not None else []
            self._texts.append(part.text)
            self._length += len(part.text)
            self.logprobs += part.logprobs
