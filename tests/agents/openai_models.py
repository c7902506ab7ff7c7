"""The scripted model behind Chat Completions and behind the Responses API."""

from collections.abc import Iterator

from tests.agents.mind import Call, Move
from tests.agents.model import THOUGHT, Json, Model, Offered, said, written
from tests.helpers import responses_wire
from tests.helpers.chat_wire import chat_json, sse
from tests.helpers.upstream import Reply, Seen, answer
from tests.matrix.rules import broken_chat, broken_native

__all__ = ["ChatModel", "NativeModel", "ThinkingModel"]


class ChatModel(Model):
    """Chat Completions as OpenAI has it, with tools that take plain text."""

    thinks = False

    def _tools(self, body: Json) -> Offered:
        return [
            (tool["custom"]["name"], None)
            if tool["type"] == "custom" and not self.thinks
            else (tool["function"]["name"], tool["function"]["parameters"])
            for tool in body.get("tools", ())
        ]

    def _broken_rule(self, request: Seen) -> str:
        return broken_chat(request, wants_thoughts=self.thinks)

    def _reply(self, request: Seen) -> Reply:
        body = request.json
        move = self._move(body, [said(one["content"]) for one in body["messages"] if one["role"] == "tool"])
        whole = chat_json(move.words or None, finish="tool_calls" if move.calls else "stop")
        message = whole["choices"][0]["message"]
        if move.calls:
            message["tool_calls"] = [self._called(call) for call in move.calls]
        if self.thinks and body.get("thinking", {}).get("type") != "disabled":
            message["reasoning_content"] = THOUGHT
        if not request.wants_stream:
            return answer(whole)
        return Reply(sse(*_chunks(whole)), headers={"content-type": "text/event-stream"}, framing="chunked")

    def _called(self, call: Call) -> Json:
        if isinstance(call.arguments, str):
            return {"id": self._call_id(), "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        function = {"name": call.name, "arguments": written(call)}
        return {"id": self._call_id(), "type": "function", "function": function}


class ThinkingModel(ChatModel):
    """Chat Completions as DeepSeek has it: only functions, and what was thought before calls has to come back."""

    thinks = True


class NativeModel(Model):
    """The Responses API as OpenAI has it: with namespaces and tools that take plain text; thoughts come back sealed."""

    def __init__(self) -> None:
        super().__init__()
        self._thoughts: list[Json] = []

    def _tools(self, body: Json) -> Offered:
        """Those in namespaces are `namespace__name`."""
        brought = [tool for item in _items(body) if item.get("type") == "additional_tools" for tool in item["tools"]]
        found: list[tuple[str, Json | None]] = []
        for tool in (*body.get("tools", ()), *brought):
            spaced = tool["type"] == "namespace"
            prefix = f"{tool['name']}__" if spaced else ""
            found += [
                (prefix + one["name"], one["parameters"] if one["type"] == "function" else None)
                for one in (tool["tools"] if spaced else [tool])
                if one["type"] in ("function", "custom")
            ]
        return found

    def _broken_rule(self, request: Seen) -> str:
        return broken_native(request, self._thoughts)

    def _reply(self, request: Seen) -> Reply:
        body = request.json
        results = [said(item["output"]) for item in _items(body) if item.get("type", "").endswith("_call_output")]
        return responses_wire.reply(request, list(self._output(self._move(body, results))))

    def _output(self, move: Move) -> Iterator[Json]:
        number = len(self._thoughts) * 10
        thought = responses_wire.thought(THOUGHT, sealed=f"c2VhbGVk{number:04}", number=number)
        self._thoughts.append(thought)
        yield thought
        if move.words:
            yield responses_wire.message(move.words, number=number)
        for place, call in enumerate(move.calls, number):
            namespace, _, name = call.name.rpartition("__")
            item = responses_wire.call(name, "", number=place, call_id=self._call_id())
            if namespace:
                item["namespace"] = namespace
            if isinstance(call.arguments, str):
                del item["arguments"]
                yield {**item, "id": f"ctc_native{place}", "type": "custom_tool_call", "input": call.arguments}
            else:
                yield {**item, "arguments": written(call)}


def _items(body: Json) -> list[Json]:
    return [] if isinstance(body["input"], str) else body["input"]


def _chunks(whole: Json) -> Iterator[Json]:
    """The same as a stream: all texts in two pieces."""
    choice = whole["choices"][0]
    message = choice["message"]
    head = {**whole, "object": "chat.completion.chunk", "usage": None}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for field in ("reasoning_content", "content"):
        words = message.get(field) or ""
        yield from (chunk({field: half}) for half in (words[:7], words[7:]) if half)
    for index, call in enumerate(message.get("tool_calls", ())):
        kind, field = ("custom", "input") if call["type"] == "custom" else ("function", "arguments")
        text = call[kind][field]
        yield chunk({"tool_calls": [{**call, "index": index, kind: {**call[kind], field: ""}}]})
        yield from (chunk({"tool_calls": [{"index": index, kind: {field: half}}]}) for half in (text[:9], text[9:]))
    yield chunk({}, choice["finish_reason"])
    yield {**head, "choices": [], "usage": whole["usage"]}
