"""The three front doors as their clients see them: what is asked, what is told, and in which words a failure is.

Everything that comes is checked by the validator of its dialect: exactly one end, and nothing behind it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Answer
from tests.helpers.messages_stream import check_message, check_messages_error, check_messages_stream
from tests.helpers.stream import check_response, check_stream, output_text

__all__ = ["DOORS", "Door", "Told"]

Json = dict[str, Any]

_ASKS = "Hi"
_SCHEMA = {"type": "object", "properties": {}}


class Told(Struct, frozen=True):
    """An answer, whoever gave it.

    Attributes:
        ending: `completed`, `length`, `filter` or `failed`.
        failure: why it failed, in the door's own word.
        calls: (id, name, arguments) each.
        tokens: in and out, where they are told.
    """

    ending: str
    text: str = ""
    failure: str | None = None
    calls: Sequence[tuple[str, str, str]] = ()
    tokens: tuple[int, int] | None = None


class Door(ABC):
    """One front door.

    Attributes:
        in_band: our codes of failures in a stream -> what its clients are told; others have the word of "".
    """

    name: str
    path: str
    in_band: ClassVar[dict[str, str]]

    @abstractmethod
    def body(self, model: str, *, stream: bool, tools: Sequence[str] = (), about: str = _ASKS) -> Json:
        """A request, with functions of these names."""

    @abstractmethod
    def stream(self, raw: bytes) -> Told:
        """What a whole stream says."""

    @abstractmethod
    def whole(self, body: Json) -> Told:
        """What an answer in one piece says."""

    @abstractmethod
    def ending(self, raw: bytes) -> str:
        """The status that a stream ends with, once. Nothing else of it is checked."""

    def refused(self, answer: Answer) -> tuple[int, str | None]:
        """Status and code of an HTTP error, whose shape is checked."""
        error = answer.json["error"]
        assert list(error) == ["message", "type", "param", "code"]
        kinds = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = kinds.get(answer.status, "server_error" if answer.status >= 500 else "invalid_request_error")
        assert error["type"] == kind
        assert error["message"]
        code: str | None = error["code"]
        return answer.status, code

    def refusal(self, status: int, code: str | None) -> tuple[int, str | None]:
        """What `refused` gives for a fault of ours."""
        return status, code

    def failure(self, code: str) -> str:
        """What a stream is told that fails with that code of ours."""
        return self.in_band.get(code) or self.in_band.get("") or code


class ResponsesDoor(Door):
    name = "responses"
    path = "/v1/responses"
    in_band: ClassVar[dict[str, str]] = {}

    def body(self, model: str, *, stream: bool, tools: Sequence[str] = (), about: str = _ASKS) -> Json:
        body: Json = {"model": model, "input": about, "store": False, "stream": stream}
        if tools:
            body["tools"] = [{"type": "function", "name": name, "parameters": _SCHEMA} for name in tools]
        return body

    def stream(self, raw: bytes) -> Told:
        checked = check_stream(raw, usage_optional=True)
        assert checked.done
        return self._told(checked.response)

    def whole(self, body: Json) -> Told:
        return self._told(check_response(body, usage_optional=True))

    def ending(self, raw: bytes) -> str:
        *events, last = _events(raw.removesuffix(b"data: [DONE]\n\n"))
        ends = ("response.completed", "response.incomplete", "response.failed")
        assert last["type"] in ends
        assert not [event for event in events if event["type"] in ends]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        return str(last["response"]["status"])

    def _told(self, response: Json) -> Told:
        error, usage = response["error"], response["usage"]
        reason = (response["incomplete_details"] or {}).get("reason", "")
        endings: dict[str, str] = {"max_output_tokens": "length", "content_filter": "filter"}
        return Told(
            ending=endings.get(reason) or response["status"],
            text=output_text(response),
            failure=error.get("reason", error["code"]) if error else None,
            calls=[
                (item["call_id"], item["name"], item["arguments"])
                for item in response["output"]
                if item["type"] == "function_call"
            ],
            tokens=(usage["input_tokens"], usage["output_tokens"]) if usage else None,
        )


class ChatDoor(Door):
    name = "chat"
    path = "/v1/chat/completions"
    in_band: ClassVar[dict[str, str]] = {}

    def body(self, model: str, *, stream: bool, tools: Sequence[str] = (), about: str = _ASKS) -> Json:
        body: Json = {"model": model, "messages": [{"role": "user", "content": about}], "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        if tools:
            functions = [{"name": name, "parameters": _SCHEMA} for name in tools]
            body["tools"] = [{"type": "function", "function": function} for function in functions]
        return body

    def stream(self, raw: bytes) -> Told:
        checked = check_chat_stream(raw, usage=True)
        if checked.error is not None:
            text = checked.message["content"] if checked.chunks else None
            return Told("failed", text or "", failure=checked.error["code"])
        return self._told(checked.answer)

    def whole(self, body: Json) -> Told:
        return self._told(check_chat_answer(body))

    def ending(self, raw: bytes) -> str:
        return self.stream(raw).ending

    def _told(self, answer: Json) -> Told:
        (choice,) = answer["choices"]
        message, usage = choice["message"], answer["usage"]
        finish = choice["finish_reason"]
        return Told(
            ending={"length": "length", "content_filter": "filter"}.get(finish, "completed"),
            text=message["content"] or "",
            calls=[
                (call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message.get("tool_calls", ())
            ],
            tokens=(usage["prompt_tokens"], usage["completion_tokens"]),
        )


class MessagesDoor(Door):
    name = "messages"
    path = "/v1/messages"
    in_band: ClassVar[dict[str, str]] = {
        "": "api_error",
        "rate_limit_exceeded": "rate_limit_error",
        "upstream_overloaded": "overloaded_error",
        "shutting_down": "overloaded_error",
        "upstream_stall": "timeout_error",
        "run_timeout": "timeout_error",
    }
    _STATUSES: ClassVar[dict[int, str]] = {
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }

    def body(self, model: str, *, stream: bool, tools: Sequence[str] = (), about: str = _ASKS) -> Json:
        body: Json = {"model": model, "messages": [{"role": "user", "content": about}], "stream": stream}
        if tools:
            body["tools"] = [{"name": name, "input_schema": _SCHEMA} for name in tools]
        return {**body, "max_tokens": 1024}

    def stream(self, raw: bytes) -> Told:
        last = msgspec.json.decode(raw.rpartition(b"data: ")[2])
        if last["type"] != "error":
            return self._told(check_messages_stream(raw))
        broken = check_messages_stream(raw, failed=True)
        return Told("failed", _all_text(raw), failure=broken["error"]["type"])

    def whole(self, body: Json) -> Told:
        return self._told(check_message(body))

    def ending(self, raw: bytes) -> str:
        *events, last = _events(raw)
        assert last["type"] in ("message_stop", "error")
        assert not [event for event in events if event["type"] in ("message_stop", "error")]
        if last["type"] == "error":
            return "failed"
        (reason,) = {event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"}
        return "incomplete" if reason in ("max_tokens", "refusal", "model_context_window_exceeded") else "completed"

    def refused(self, answer: Answer) -> tuple[int, str | None]:
        return answer.status, check_messages_error(answer.json)["type"]

    def refusal(self, status: int, code: str | None) -> tuple[int, str | None]:
        del code
        status = 529 if status == 503 else status
        return status, self._STATUSES.get(status, "api_error" if status >= 500 else "invalid_request_error")

    def _told(self, message: Json) -> Told:
        usage = message["usage"]
        cached = sum(usage.get(f"cache_{kind}_input_tokens") or 0 for kind in ("read", "creation"))
        blocks = message["content"]
        return Told(
            ending={"max_tokens": "length", "refusal": "filter"}.get(message["stop_reason"], "completed"),
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=[
                (block["id"], block["name"], msgspec.json.encode(block["input"]).decode())
                for block in blocks
                if block["type"] == "tool_use"
            ],
            tokens=(usage["input_tokens"] + cached, usage["output_tokens"]),
        )


DOORS = {door.name: door for door in (ResponsesDoor(), ChatDoor(), MessagesDoor())}


def _all_text(raw: bytes) -> str:
    """Also that of a block which was never finished."""
    return "".join(event["delta"].get("text", "") for event in _events(raw) if event["type"] == "content_block_delta")


def _events(raw: bytes) -> list[Json]:
    return [msgspec.json.decode(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: ")]
