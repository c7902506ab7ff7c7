"""The validator for streams and answers of Chat Completions: the official SDK's own types, strictly, and their order."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import msgspec
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ValidationError

__all__ = ["CheckedChat", "check_chat_answer", "check_chat_stream"]

Json = dict[str, Any]

_FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


@dataclass
class _Choice:
    message: Json = field(default_factory=lambda: {"role": None, "content": None, "refusal": None, "annotations": []})
    calls: list[Json] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    finish: str | None = None


@dataclass(frozen=True)
class CheckedChat:
    """A stream that was found good.

    Attributes:
        answer: the whole answer that it amounts to, in the shape of an answer in one piece.
        error: what it failed with, if it did.
    """

    chunks: list[Json]
    answer: Json
    error: Json | None = None

    @property
    def message(self) -> Json:
        return dict(self.answer["choices"][0]["message"])

    @property
    def finish(self) -> str:
        return str(self.answer["choices"][0]["finish_reason"])


def check_chat_answer(answer: Json) -> Json:
    """Raise AssertionError unless this is one whole legal answer."""
    _strict(ChatCompletion, answer)
    assert answer["id"].startswith("chatcmpl-")
    assert [choice["index"] for choice in answer["choices"]] == list(range(len(answer["choices"])))
    for choice in answer["choices"]:
        message = choice["message"]
        assert {"role", "content", "refusal", "annotations"} <= set(message)
        assert "tool_calls" not in message or message["tool_calls"], "an empty list of calls"
        called = "tool_calls" if "tool_calls" in message else "function_call"
        assert (choice["finish_reason"] == called) == (called in message) or choice["finish_reason"] in (
            "length",
            "content_filter",
        )
    _check_usage(answer.get("usage"))
    return answer


def check_chat_stream(stream: bytes, *, usage: bool = False, choices: int = 1) -> CheckedChat:
    """Raise AssertionError unless this is one whole legal stream of that many choices."""
    chunks, error = _parse(stream)
    found = [_Choice() for _ in range(choices)]
    heads = {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}
    assert len(heads) == 1 or error, "id, created and model are the same in all chunks"
    counted: Json | None = None
    sources: Json = {}
    for chunk in chunks:
        _strict(ChatCompletionChunk, _as_the_sdk_knows(chunk))
        assert counted is None, "something follows the usage"
        assert ("usage" in chunk) == usage
        if not chunk["choices"]:
            counted = chunk["usage"]
            _check_usage(counted)
            continue
        assert not usage or chunk["usage"] is None
        (choice,) = chunk["choices"]
        assert not sources or len(found) > 1, "the sources come with the last choice"
        sources = {name: chunk[name] for name in ("web_sources",) if name in chunk}
        _apply(found[choice["index"]], choice)
    if error is None:
        assert (counted is not None) == usage, "usage is told if it was asked for"
        assert all(choice.finish in _FINISHES for choice in found), "a choice has no end"
    return CheckedChat(chunks, _joined(chunks[0] if chunks else {}, found, counted, sources=sources), error)


def _parse(stream: bytes) -> tuple[list[Json], Json | None]:
    assert stream.endswith(b"\n\n")
    blocks = [block for block in stream.split(b"\n\n") if block and not block.startswith(b":")]
    assert all(block.startswith(b"data: ") and b"\n" not in block for block in blocks), "one data line each, no names"
    datas = [block.removeprefix(b"data: ") for block in blocks]
    if datas[-1] == b"[DONE]":
        return [msgspec.json.decode(data) for data in datas[:-1]], None
    *chunks, last = (msgspec.json.decode(data) for data in datas)
    assert set(last) == {"error"}, "neither the marker nor an error is at the end"
    assert set(last["error"]) == {"message", "type", "param", "code"}
    return chunks, last["error"]


def _apply(choice: _Choice, said: Json) -> None:
    assert choice.finish is None, "something follows the end of a choice"
    assert {"index", "delta", "logprobs", "finish_reason"} <= set(said)
    delta = said["delta"]
    assert (choice.message["role"] is None) == ("role" in delta), "the role is told once, and first"
    for key, value in delta.items():
        match key:
            case "tool_calls":
                for call in value:
                    _apply_call(choice.calls, call)
            case "function_call":
                into = choice.message.setdefault("function_call", {"name": "", "arguments": ""})
                into["name"] += value.get("name", "")
                into["arguments"] += value["arguments"]
            case "annotations" | "reasoning_details":
                choice.message.setdefault(key, []).extend(value)
            case _ if value is not None:
                choice.message[key] = (choice.message.get(key) or "") + value
    if said["logprobs"] is not None:
        choice.logprobs += said["logprobs"]["content"]
    choice.finish = said["finish_reason"]


def _apply_call(calls: list[Json], call: Json) -> None:
    if call["index"] == len(calls):
        assert call["id"], "a call begins with its id"
        calls.append(deepcopy({key: value for key, value in call.items() if key != "index"}))
        return
    for kind in ("function", "custom"):
        for key, value in call.get(kind, {}).items():
            calls[call["index"]][kind][key] += value


def _joined(first: Json, choices: list[_Choice], usage: Json | None, *, sources: Json) -> Json:
    told = []
    for index, choice in enumerate(choices):
        message = choice.message
        if message["content"] == "" and choice.calls:
            message["content"] = None
        if choice.calls:
            message["tool_calls"] = choice.calls
        logprobs = {"content": choice.logprobs, "refusal": None} if choice.logprobs else None
        told.append({"index": index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish})
    head = {key: first.get(key) for key in ("id", "created", "model")}
    joined: Json = {**head, "object": "chat.completion", "choices": told, **sources}
    return {**joined, "usage": usage} if usage is not None else joined


def _check_usage(usage: Json | None) -> None:
    if usage is not None:
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], "usage does not add up"


def _as_the_sdk_knows(chunk: Json) -> Json:
    """The SDK's types for streams know no calls of custom tools; what OpenAI sends for them is of this form."""
    calls = [call for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", ())]
    if not any("custom" in call for call in calls):
        return chunk
    bare: Json = msgspec.json.decode(msgspec.json.encode(chunk))
    for choice in bare["choices"]:
        for call in choice["delta"]["tool_calls"]:
            call.pop("type", None)
    return bare


def _strict(model: type[BaseModel], value: Json) -> None:
    try:
        model.model_validate(value, strict=True)
    except ValidationError as error:
        raise AssertionError(f"not valid for the SDK: {error}\n{value}") from error
