"""Clients of the three dialects: how each asks and remembers, and what it makes of the answers.

Each uses its vendor's official client in strict mode, and hands the bytes that this got to the dialect's validator.
"""

from collections.abc import Callable, Sequence
from typing import Any

import anthropic
import msgspec
import openai

from tests.helpers.chat_stream import check_chat_answer, check_chat_stream
from tests.helpers.gateway import Gateway
from tests.helpers.messages_stream import check_message, check_messages_stream
from tests.helpers.stream import check_response, check_stream, output_text
from tests.matrix.door import Door, Failure, Heard, Json
from tests.matrix.scenarios import IMAGE, TOOLS, Asks, Offer, Tokens

__all__ = ["DOORS", "ChatDoor", "MessagesDoor", "ResponsesDoor", "StoredResponsesDoor"]

_IMAGE_URL = f"data:image/png;base64,{IMAGE}"


class ResponsesDoor(Door):
    """`/v1/responses` by a client that keeps the conversation, and sends all of every answer back."""

    stores = False

    def __init__(self, gateway: Gateway, model: str, offer: Offer) -> None:
        super().__init__(gateway, model, offer)
        self.client = gateway.openai(http_client=openai.DefaultHttpxClient(transport=self.line))
        self._items: list[Json] = []
        self._calls: dict[str, str] = {}
        self._previous: str | None = None

    def ask(self, asks: Asks, *, streamed: bool) -> Heard:
        self._items += self._asked(asks)
        try:
            response = self._stream() if streamed else self._whole()
        except openai.APIStatusError as error:
            return Heard(failure=Failure(error.status_code, error.code, error.message))
        self._items = [] if self.stores else [*self._items, *response["output"]]
        self._previous = response["id"]
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        self._calls = {item["name"]: item["call_id"] for item in calls}
        return _read_response(response)

    def close(self) -> None:
        self.client.close()

    def _whole(self) -> Json:
        self.client.responses.create(**self._body())
        return check_response(msgspec.json.decode(self.line.body))

    def _stream(self) -> Json:
        last = list(self.client.responses.create(stream=True, **self._body()))[-1]
        checked = check_stream(self.line.body, usage_optional=True)
        assert last.type == checked.types[-1]
        return checked.response

    def _body(self) -> Json:
        offer = self._offer
        body: Json = {"model": self._model, "input": self._items, "store": self.stores}
        if self.stores and self._previous:
            body["previous_response_id"] = self._previous
        if offer.system:
            body["instructions"] = offer.system
        if offer.tools:
            body["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in TOOLS.items()
            ]
        if offer.schema is not None:
            wanted = {"type": "json_schema", "name": "weather", "schema": offer.schema, "strict": True}
            body["text"] = {"format": wanted}
        if offer.limit is not None:
            body["max_output_tokens"] = offer.limit
        if offer.thinks:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = [] if self.stores else ["reasoning.encrypted_content"]
        return body

    def _asked(self, asks: Asks) -> list[Json]:
        items: list[Json] = [
            {"type": "function_call_output", "call_id": self._calls[name], "output": output}
            for name, output in asks.results.items()
        ]
        parts: list[Json] = [{"type": "input_image", "image_url": _IMAGE_URL}] if asks.image else []
        parts += [{"type": "input_text", "text": asks.text}] if asks.text else []
        return [*items, {"role": "user", "content": parts}] if parts else items


class StoredResponsesDoor(ResponsesDoor):
    """`/v1/responses` by a client that only says what is new."""

    stores = True


class ChatDoor(Door):
    """`/v1/chat/completions` by a client that, as the official one does, never sends thoughts back."""

    def __init__(self, gateway: Gateway, model: str, offer: Offer) -> None:
        super().__init__(gateway, model, offer)
        self.client = gateway.openai(http_client=openai.DefaultHttpxClient(transport=self.line))
        self._messages: list[Json] = [{"role": "system", "content": offer.system}] if offer.system else []
        self._calls: dict[str, str] = {}

    def ask(self, asks: Asks, *, streamed: bool) -> Heard:
        self._messages += self._asked(asks)
        try:
            whole = self._stream() if streamed else self._whole()
        except openai.APIStatusError as error:
            return Heard(failure=Failure(error.status_code, error.code, error.message))
        except openai.APIError as error:
            broken = check_chat_stream(self.line.body, usage=True)
            assert broken.error is not None
            failure = Failure(None, str(error.code), error.message)
            return Heard(text=broken.message["content"], failure=failure)
        (choice,) = whole["choices"]
        message = choice["message"]
        kept = {name: message[name] for name in ("role", "content", "refusal", "tool_calls") if message.get(name)}
        self._messages.append({"content": None, **kept})
        calls = message.get("tool_calls", [])
        self._calls = {call["function"]["name"]: call["id"] for call in calls}
        return Heard(
            text=message["content"] or "",
            thoughts=message.get("reasoning_content", ""),
            refusal=message["refusal"] or "",
            calls=[(call["function"]["name"], _decoded(call["function"]["arguments"])) for call in calls],
            ending={"stop": "done", "tool_calls": "done", "content_filter": "filter"}.get(
                choice["finish_reason"], choice["finish_reason"]
            ),
            tokens=_chat_tokens(whole["usage"]),
        )

    def close(self) -> None:
        self.client.close()

    def _whole(self) -> Json:
        self.client.chat.completions.create(**self._body())
        return check_chat_answer(msgspec.json.decode(self.line.body))

    def _stream(self) -> Json:
        for _ in self.client.chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **self._body()
        ):
            pass  # strictly read
        return check_chat_stream(self.line.body, usage=True).answer

    def _body(self) -> Json:
        offer = self._offer
        body: Json = {"model": self._model, "messages": self._messages}
        if offer.tools:
            functions = [{"name": name, "parameters": schema} for name, schema in TOOLS.items()]
            body["tools"] = [{"type": "function", "function": function} for function in functions]
        if offer.schema is not None:
            wanted = {"name": "weather", "schema": offer.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        if offer.limit is not None:
            body["max_completion_tokens"] = offer.limit
        if offer.thinks:
            body["reasoning_effort"] = "high"
        return body

    def _asked(self, asks: Asks) -> list[Json]:
        messages: list[Json] = [
            {"role": "tool", "tool_call_id": self._calls[name], "content": output}
            for name, output in asks.results.items()
        ]
        parts: list[Json] = [{"type": "image_url", "image_url": {"url": _IMAGE_URL}}] if asks.image else []
        parts += [{"type": "text", "text": asks.text}] if asks.text else []
        return [*messages, {"role": "user", "content": parts}] if parts else messages


class MessagesDoor(Door):
    """`/v1/messages` by a client that sends all blocks of every answer back, as the vendor asks its clients to."""

    def __init__(self, gateway: Gateway, model: str, offer: Offer) -> None:
        super().__init__(gateway, model, offer)
        self.client = anthropic.Anthropic(
            base_url=gateway.url,
            api_key=gateway.key,
            max_retries=0,
            http_client=anthropic.DefaultHttpxClient(transport=self.line),
            _strict_response_validation=True,
        )
        self._messages: list[Json] = []
        self._calls: dict[str, str] = {}

    def ask(self, asks: Asks, *, streamed: bool) -> Heard:
        self._messages.append({"role": "user", "content": self._asked(asks)})
        try:
            message = self._stream() if streamed else self._whole()
        except anthropic.APIStatusError as error:
            return self._failed(error)
        self._messages.append({"role": "assistant", "content": message["content"]})
        blocks: Sequence[Json] = message["content"]
        calls = [block for block in blocks if block["type"] == "tool_use"]
        self._calls = {block["name"]: block["id"] for block in calls}
        reason = message["stop_reason"]
        details = message.get("stop_details") or {}
        return Heard(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            refusal=details.get("explanation") or "",
            thoughts="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            calls=[(block["name"], block["input"]) for block in calls],
            ending={"end_turn": "done", "tool_use": "done", "max_tokens": "length", "refusal": "filter"}[reason],
            tokens=_messages_tokens(message["usage"]),
        )

    @property
    def knows_refusals(self) -> bool:
        return False

    def refusal_ending(self, ending: str) -> str:
        del ending
        return "filter"

    def close(self) -> None:
        self.client.close()

    def _failed(self, error: anthropic.APIStatusError) -> Heard:
        body: Any = error.body
        problem = body["error"]
        if error.status_code != 200:
            return Heard(failure=Failure(error.status_code, problem["type"], problem["message"]))
        broken = check_messages_stream(self.line.body, failed=True)
        # The block was never finished, so the validator gives back the text of those before it: read it here.
        text = "".join(block["text"] for block in broken["content"]) or _cut_text(self.line.body)
        return Heard(text=text, failure=Failure(None, problem["type"], problem["message"]))

    def _whole(self) -> Json:
        self.client.messages.create(**self._body())
        return check_message(msgspec.json.decode(self.line.body))

    def _stream(self) -> Json:
        with self.client.messages.stream(**self._body()) as stream:
            final = stream.get_final_message()
        message = check_messages_stream(self.line.body)
        assert [block.type for block in final.content] == [block["type"] for block in message["content"]]
        return message

    def _body(self) -> Json:
        offer = self._offer
        body: Json = {"model": self._model, "messages": self._messages, "max_tokens": offer.limit or 1024}
        if offer.system:
            body["system"] = offer.system
        if offer.tools:
            body["tools"] = [{"name": name, "input_schema": schema} for name, schema in TOOLS.items()]
        if offer.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": offer.schema}}
        if offer.thinks:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body["output_config"] = {"effort": "high"}
        return body

    def _asked(self, asks: Asks) -> list[Json]:
        blocks: list[Json] = [
            {"type": "tool_result", "tool_use_id": self._calls[name], "content": output}
            for name, output in asks.results.items()
        ]
        source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
        blocks += [{"type": "image", "source": source}] if asks.image else []
        return blocks + ([{"type": "text", "text": asks.text}] if asks.text else [])


DOORS: dict[str, Callable[[Gateway, str, Offer], Door]] = {
    "responses": ResponsesDoor,
    "stored": StoredResponsesDoor,
    "chat": ChatDoor,
    "messages": MessagesDoor,
}


def _read_response(response: Json) -> Heard:
    output: Sequence[Json] = response["output"]
    calls = [item for item in output if item["type"] == "function_call"]
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    thoughts = [part["text"] for item in output if item["type"] == "reasoning" for part in item["summary"]]
    error = response["error"]
    reason = (response["incomplete_details"] or {}).get("reason")
    return Heard(
        text=output_text(response),
        thoughts="".join(thoughts),
        refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        calls=[(item["name"], _decoded(item["arguments"])) for item in calls],
        ending={"max_output_tokens": "length", "content_filter": "filter"}.get(reason or "", "done"),
        tokens=_response_tokens(response["usage"]) if response["usage"] else None,
        failure=Failure(None, error["code"], error["message"]) if error else None,
    )


def _response_tokens(usage: Json) -> Tokens:
    went_in = usage["input_tokens_details"]
    thought = usage["output_tokens_details"]["reasoning_tokens"]
    cached, written = went_in["cached_tokens"], went_in.get("cache_write_tokens", 0)
    return Tokens(usage["input_tokens"], cached, written, usage["output_tokens"], thought)


def _chat_tokens(usage: Json) -> Tokens:
    went_in = usage["prompt_tokens_details"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    cached, written = went_in["cached_tokens"], went_in.get("cache_write_tokens", 0)
    return Tokens(usage["prompt_tokens"], cached, written, usage["completion_tokens"], thought)


def _messages_tokens(usage: Json) -> Tokens:
    cached, written = usage["cache_read_input_tokens"] or 0, usage["cache_creation_input_tokens"] or 0
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    return Tokens(usage["input_tokens"] + cached + written, cached, written, usage["output_tokens"], thought)


def _decoded(arguments: str) -> object:
    return msgspec.json.decode(arguments)


def _cut_text(raw: bytes) -> str:
    """The text of a block that was not finished."""
    events = (msgspec.json.decode(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: "))
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
