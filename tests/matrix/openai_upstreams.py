"""Models behind Chat Completions and behind the Responses API."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from tests.helpers import responses_wire
from tests.helpers.upstream import Reply, Seen, answer, chat_json, error, sse
from tests.matrix.rules import broken_chat, broken_native
from tests.matrix.scenarios import Call, Fails, Line, Offer, Refused, Says, Scenario, Thought, Tokens, Words
from tests.matrix.upstream import Json, Upstream, content_lines, encoded, has_tools, streamed

__all__ = ["ChatUpstream", "NativeUpstream"]

_BROKEN: Json = {"message": "The server had an error.", "type": "server_error", "code": "server_error", "param": None}


class ChatUpstream(Upstream):
    """Chat Completions as OpenAI has it; as DeepSeek has it where the scenario thinks."""

    dialect = "chat"

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        thinks = scenario.offer.thinks
        self.provider = "thinker" if thinks else "chat"
        self.model = "deepseek-reasoner" if thinks else "gpt-4.1"

    def offered(self, turn: int) -> Offer:
        body = self.requests[turn].json
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        thinks = body.get("thinking", {}).get("type") == "enabled"
        return Offer(tools=has_tools(body), schema=schema, limit=limit, thinks=thinks)

    def _broken_rule(self, request: Seen) -> str:
        return broken_chat(request, wants_thoughts=self.scenario.offer.thinks)

    def _reply(self, request: Seen, turn: int) -> Reply:
        does = self.scenario.turns[turn].does
        if isinstance(does, Fails):
            return _failed(does)
        finish = {"done": None, "length": "length", "filter": "content_filter"}[does.ending]
        usage = _chat_usage(does.tokens)
        calls = [{"id": call.id, "name": call.name, "arguments": encoded(call.arguments)} for call in does.calls]
        whole = chat_json(does.text or None, tool_calls=calls, finish=finish, usage=usage)
        choice = whole["choices"][0]
        choice["message"]["refusal"] = does.refusal or None
        if does.thoughts:
            choice["message"]["reasoning_content"] = does.thoughts
        if not request.wants_stream:
            return answer(whole)
        chunks = list(_chunks(does, choice["finish_reason"], usage))
        if not does.breaks:
            return streamed(sse(*chunks))
        return streamed(sse(*chunks[:-2], *([{"error": _BROKEN}] if does.breaks == "error" else ()), done=False))

    def _lines(self, body: Json) -> Iterator[Line]:
        names: dict[str, str] = {}
        for message in body["messages"]:
            if message["role"] == "tool":
                yield ("result", names[message["tool_call_id"]], message["content"])
                continue
            calls = message.get("tool_calls", ())
            if calls and message.get("reasoning_content"):
                yield ("thought", message["reasoning_content"])
            yield from content_lines(message["role"], message.get("content"))
            if message.get("refusal"):
                yield ("model", message["refusal"])
            for call in calls:
                function = call["function"]
                names[call["id"]] = function["name"]
                yield ("call", function["name"], msgspec.json.decode(function["arguments"]))


class NativeUpstream(Upstream):
    """The Responses API as OpenAI has it: thoughts come back under their own ids, sealed."""

    dialect = "responses"
    provider = "native"
    model = "gpt-6"

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._made: list[Json] = []

    def offered(self, turn: int) -> Offer:
        body = self.requests[turn].json
        schema = body.get("text", {}).get("format", {}).get("schema")
        thinks = "effort" in body.get("reasoning", {}) and "reasoning.encrypted_content" in body.get("include", ())
        return Offer(tools=has_tools(body), schema=schema, limit=body.get("max_output_tokens"), thinks=thinks)

    def _broken_rule(self, request: Seen) -> str:
        return broken_native(request, [item for item in self._made if item["type"] == "reasoning"])

    def _reply(self, request: Seen, turn: int) -> Reply:
        does = self.scenario.turns[turn].does
        if isinstance(does, Fails):
            return _failed(does)
        items = [self._item(piece, number) for number, piece in enumerate(does.pieces, len(self._made))]
        self._made += items
        fields: Json = {"usage": _native_usage(does.tokens)}
        if does.ending != "done":
            reason = {"length": "max_output_tokens", "filter": "content_filter"}[does.ending]
            items[-1]["status"] = "incomplete"
            fields |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        if not does.breaks:
            return responses_wire.reply(request, items, **fields)
        events = responses_wire.events(items, **fields)
        said = [event for event in events if not event["type"].endswith((".done", ".completed"))]
        if does.breaks == "error":
            said.append({**_BROKEN, "type": "error", "sequence_number": len(said)})
        return streamed([responses_wire.sse(said)])

    def _item(self, piece: object, number: int) -> Json:
        match piece:
            case Thought():
                return responses_wire.thought(*filter(None, [piece.text]), sealed=piece.seal, number=number)
            case Refused():
                refusal = {"type": "refusal", "refusal": piece.text}
                return {**responses_wire.message("", number=number), "content": [refusal]}
            case Call():
                return responses_wire.call(piece.name, encoded(piece.arguments), number=number, call_id=piece.id)
            case Words():
                return responses_wire.message(piece.text, number=number)
        raise AssertionError(piece)

    def _lines(self, body: Json) -> Iterator[Line]:
        if "instructions" in body:
            yield ("system", body["instructions"])
        asked = body["input"]
        items: list[Json] = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        names: dict[str, str] = {}
        for place, item in enumerate(items):
            match item.get("type", "message"):
                case "message":
                    yield from content_lines(item["role"], item["content"])
                case "reasoning" if _leads_to_a_call(items[place:]):
                    yield self._thought(item["encrypted_content"])
                case "function_call":
                    names[item["call_id"]] = item["name"]
                    yield ("call", item["name"], msgspec.json.decode(item["arguments"]))
                case "function_call_output":
                    yield ("result", names[item["call_id"]], item["output"])


def _leads_to_a_call(items: Sequence[Json]) -> bool:
    """Whether there is one before somebody else speaks."""
    kinds = ["text" if item.get("role") == "assistant" else item.get("type") for item in items]
    own = takewhile(lambda kind: kind in ("reasoning", "text", "function_call"), kinds)
    return "function_call" in own


def _chunks(says: Says, finish: str, usage: Json) -> Iterator[Json]:
    """A stream of chunks: texts in two pieces, calls one after the other, then the end and the usage."""
    yield _chunk({"role": "assistant", "content": ""})
    number = 0
    for piece in says.pieces:
        if isinstance(piece, Call):
            written = encoded(piece.arguments)
            begun = {"index": number, "id": piece.id, "type": "function"}
            yield _chunk({"tool_calls": [{**begun, "function": {"name": piece.name, "arguments": ""}}]})
            yield from (
                _chunk({"tool_calls": [{"index": number, "function": {"arguments": half}}]})
                for half in (written[:3], written[3:])
                if half
            )
            number += 1
            continue
        field = {Thought: "reasoning_content", Refused: "refusal", Words: "content"}[type(piece)]
        middle = len(piece.text) // 2
        yield from (_chunk({field: half}) for half in (piece.text[:middle], piece.text[middle:]))
    yield _chunk({}, finish)
    yield {**_HEAD, "choices": [], "usage": usage}


_HEAD: Json = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "m"}


def _chunk(delta: Json, finish: str | None = None) -> Json:
    return {**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}


def _chat_usage(tokens: Tokens) -> Json:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def _native_usage(tokens: Tokens) -> Json:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def _failed(fails: Fails) -> Reply:
    table: dict[str, tuple[int, str, dict[str, Any]]] = {
        "overloaded": (503, "The engine is currently overloaded.", {"type": "server_error"}),
        "rate_limit": (429, "Rate limit reached for m.", {"type": "requests", "code": "rate_limit_exceeded"}),
        "too_long": (400, "This model's maximum context length is 8 tokens.", {"code": "context_length_exceeded"}),
        "wrong_key": (401, "Incorrect API key provided: sk-up***am.", {"code": "invalid_api_key"}),
    }
    status, said, fields = table[fails.how]
    return error(status, said, **fields)
