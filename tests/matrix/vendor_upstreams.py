"""Models behind Anthropic's Messages API and behind Google's generateContent."""

from collections.abc import Iterator

from tests.helpers import anthropic_wire, gemini_wire
from tests.helpers.anthropic_wire import Claude
from tests.helpers.gemini_wire import Gemini
from tests.helpers.upstream import Reply, Seen, sse
from tests.matrix.scenarios import Call, Fails, Line, Offer, Says, Scenario, Thought, Tokens, Words
from tests.matrix.upstream import Json, Upstream, content_lines, has_tools, streamed

__all__ = ["AnthropicUpstream", "GeminiUpstream"]

#: Google signs the first call of a step also where it does not show a thought.
_UNSHOWN = "VW5zaG93bg=="


class AnthropicUpstream(Upstream):
    """The Messages API as Anthropic has it: thoughts come back with their signatures."""

    dialect = "anthropic"
    provider = "claude"
    model = "claude-opus-4-6"

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._claude = Claude([self._turn(turn.does) for turn in scenario.turns])

    def offered(self, turn: int) -> Offer:
        body = self.requests[turn].json
        schema = body.get("output_config", {}).get("format", {}).get("schema")
        thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        return Offer(tools=has_tools(body), schema=schema, limit=body["max_tokens"], thinks=thinks)

    def ending(self, says: Says) -> str:
        return "filter" if says.refusal else says.ending

    def _broken_rule(self, request: Seen) -> str:
        if not request.path.endswith("/v1/messages"):
            return f"no such endpoint: {request.path}"
        return ""

    def _reply(self, request: Seen, turn: int) -> Reply:
        del turn  # it counts by itself
        reply = self._claude(request)
        self.broken += self._claude.broken
        return reply

    def _turn(self, does: Says | Fails) -> Json | Reply:
        if isinstance(does, Fails):
            return self._failed(does)
        stop = {"done": None, "length": "max_tokens", "filter": "refusal"}[does.ending]
        fields: Json = {}
        if does.refusal:
            stop = "refusal"
            fields["stop_details"] = {"type": "refusal", "category": None, "explanation": does.refusal}
        usage = _anthropic_usage(does.tokens)
        whole = anthropic_wire.message(list(_blocks(does)), stop=stop, usage=usage, **fields)
        if not does.breaks:
            return whole
        events = anthropic_wire.message_events(whole)[:-3]
        if does.breaks == "error":
            events.append({"type": "error", "error": {"type": "api_error", "message": "Internal server error"}})
        return streamed(sse(*events, done=False))

    def _failed(self, fails: Fails) -> Reply:
        status, kind, said = {
            "overloaded": (529, "overloaded_error", "Overloaded"),
            "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
            "too_long": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            "wrong_key": (401, "authentication_error", "invalid x-api-key"),
        }[fails.how]
        return anthropic_wire.api_error(status, kind, said)

    def _lines(self, body: Json) -> Iterator[Line]:
        yield from content_lines("system", body.get("system"))
        names: dict[str, str] = {}
        for message in body["messages"]:
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            called = any(block["type"] == "tool_use" for block in blocks)
            for block in blocks:
                match block["type"]:
                    case "thinking" if called:
                        yield self._thought(block["signature"])
                    case "tool_use":
                        names[block["id"]] = block["name"]
                        yield ("call", block["name"], block["input"])
                    case "tool_result":
                        (said,) = content_lines("tool", block["content"])
                        yield ("result", names[block["tool_use_id"]], said[1])
                    case "text" | "image":
                        yield from content_lines(message["role"], [block])


class GeminiUpstream(Upstream):
    """generateContent as Google has it: signatures of thoughts come back with the calls that they led to."""

    dialect = "gemini"
    provider = "google"
    model = "gemini-3-pro"

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._gemini = Gemini([self._turn(turn.does) for turn in scenario.turns])

    def offered(self, turn: int) -> Offer:
        body = self.requests[turn].json
        config = body.get("generationConfig", {})
        declared = [one for tool in body.get("tools", ()) for one in tool["functionDeclarations"]]
        thinks = "thinkingConfig" in config
        limit = config.get("maxOutputTokens")
        return Offer(tools=len(declared) == 2, schema=config.get("responseJsonSchema"), limit=limit, thinks=thinks)

    def tokens(self, tokens: Tokens) -> Tokens:
        """Writing to its cache is not counted."""
        return Tokens(tokens.input, tokens.cached, 0, tokens.output, tokens.reasoning)

    def ending(self, says: Says) -> str:
        return "filter" if says.refusal else says.ending

    def refusal(self, says: Says) -> str:
        """It stops, without a word."""
        del says
        return ""

    def _broken_rule(self, request: Seen) -> str:
        return "" if f"/models/{self.model}:" in request.path else f"no such endpoint: {request.path}"

    def _reply(self, request: Seen, turn: int) -> Reply:
        del turn  # it counts by itself
        reply = self._gemini(request)
        self.broken += self._gemini.broken
        return reply

    def _turn(self, does: Says | Fails) -> Json | Reply:
        if isinstance(does, Fails):
            return self._failed(does)
        tokens = does.tokens
        usage = {"promptTokenCount": tokens.input, "candidatesTokenCount": tokens.output - tokens.reasoning}
        usage |= {"thoughtsTokenCount": tokens.reasoning, "cachedContentTokenCount": tokens.cached}
        usage["totalTokenCount"] = tokens.input + tokens.output
        finish = {"done": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}[self.ending(does)]
        whole = gemini_wire.candidate(list(_parts(does)), finish=finish, usage=usage)
        if not does.breaks:
            return whole
        del whole["candidates"][0]["finishReason"]
        failed = {"error": {"code": 500, "message": "Internal error", "status": "INTERNAL"}}
        return streamed(sse(whole, *([failed] if does.breaks == "error" else ()), done=False))

    def _failed(self, fails: Fails) -> Reply:
        wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
        status, word, said, details = {
            "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", {}),
            "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", wait),
            "too_long": (400, "INVALID_ARGUMENT", "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).", {}),
            "wrong_key": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {}),
        }[fails.how]  # fmt: skip
        return gemini_wire.api_error(status, word, said, **details)

    def _lines(self, body: Json) -> Iterator[Line]:
        for part in body.get("systemInstruction", {}).get("parts", ()):
            yield ("system", part["text"])
        for content in body["contents"]:
            called = any("functionCall" in part for part in content["parts"])
            for part in content["parts"]:
                if called and part.get("thoughtSignature", _UNSHOWN) != _UNSHOWN:
                    yield self._thought(part["thoughtSignature"])
                if "functionCall" in part:
                    yield ("call", part["functionCall"]["name"], part["functionCall"].get("args", {}))
                elif "functionResponse" in part:
                    (output,) = part["functionResponse"]["response"].values()
                    yield ("result", part["functionResponse"]["name"], output)
                elif "inlineData" in part:
                    yield ("image", part["inlineData"]["data"])
                elif part.get("text"):
                    yield ("model" if content["role"] == "model" else "user", part["text"])


def _blocks(says: Says) -> Iterator[Json]:
    for piece in says.pieces:
        match piece:
            case Thought():
                yield anthropic_wire.thinking(piece.text, piece.seal)
            case Words():
                yield anthropic_wire.text(piece.text)
            case Call():
                yield anthropic_wire.call(piece.id, piece.name, **piece.arguments)


def _anthropic_usage(tokens: Tokens) -> Json:
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "output_tokens": tokens.output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
    }


def _parts(says: Says) -> Iterator[Json]:
    """A thought is shown, and signed at the part that follows it."""
    seal = _UNSHOWN
    for piece in says.pieces:
        match piece:
            case Thought():
                if piece.text:
                    yield gemini_wire.text(piece.text, thought=True)
                seal = piece.seal
            case Words():
                yield gemini_wire.text(piece.text, signature="" if says.calls or seal == _UNSHOWN else seal)
            case Call():
                yield gemini_wire.call(piece.name, signature=seal, **piece.arguments)
                seal = ""
