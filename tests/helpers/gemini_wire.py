"""A model behind generateContent: it answers as Google does, and refuses what Google refuses.

    with ThreadedUpstream(Gemini([[text("Hi")]])) as up: ...

Each turn is the list of parts of one answer; it is streamed or sent whole, as the address asks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.helpers.chat_wire import JSON
from tests.helpers.upstream import Reply, Seen, answer

__all__ = ["Gemini", "api_error", "call", "candidate", "chunks", "text"]

KEYS = ("x-goog-api-key", "authorization")
SKIP = "skip_thought_signature_validator"
FIELDS = {
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "serviceTier", "labels",
}  # fmt: skip
CONFIG = {
    "temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "seed", "responseMimeType", "responseJsonSchema",
    "responseSchema", "thinkingConfig", "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs",
}  # fmt: skip


Turn = Sequence[JSON] | JSON | Reply
#: One after the other, or whatever a function of the request's body says.
Turns = Sequence[Turn] | Callable[[JSON], Turn]


def text(words: str, *, thought: bool = False, signature: str = "") -> JSON:
    part: JSON = {"text": words}
    if thought:
        part["thought"] = True
    return {**part, "thoughtSignature": signature} if signature else part


def call(name: str, /, *, signature: str = "", call_id: str = "", **arguments: Any) -> JSON:
    called: JSON = {"name": name, "args": arguments}
    if call_id:
        called["id"] = call_id
    return {"functionCall": called, "thoughtSignature": signature} if signature else {"functionCall": called}


def candidate(parts: Sequence[JSON], *, finish: str = "STOP", usage: JSON | None = None, **fields: Any) -> JSON:
    """A whole answer."""
    return {
        "candidates": [
            {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0, **fields}
        ],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18, **(usage or {})},
        "modelVersion": "gemini-test",
        "responseId": "r-1",
    }


def api_error(status: int, word: str, said: str, **details: Any) -> Reply:
    error: JSON = {"code": status, "message": said, "status": word}
    if details:
        error["details"] = [details]
    return answer({"error": error}, status=status)


class Gemini:
    """A brain for scripted upstreams. After the last turn it repeats it.

    Attributes:
        broken: rules that requests broke; a test that expects none asserts so.
    """

    def __init__(self, turns: Turns) -> None:
        self._next = turns if callable(turns) else _one_by_one(list(turns))
        self._signatures = {SKIP}
        self.broken: list[str] = []

    def __call__(self, request: Seen) -> Reply:
        rule = self._broken_rule(request)
        if rule:
            self.broken.append(rule)
            return api_error(400, "INVALID_ARGUMENT", rule)
        turn = self._next(request.json)
        if isinstance(turn, Reply):
            return turn
        whole = turn if isinstance(turn, dict) else candidate(turn)
        self._signatures |= {part["thoughtSignature"] for part in _parts(whole) if "thoughtSignature" in part}
        if request.path.endswith(":generateContent"):
            return answer(whole)
        frames = [b"data: " + msgspec.json.encode(chunk) + b"\r\n\r\n" for chunk in chunks(whole)]
        return Reply(frames, headers={"content-type": "text/event-stream"}, framing="chunked")

    def _broken_rule(self, request: Seen) -> str:
        body: JSON = request.json
        if sum(name in request.headers for name in KEYS) != 1:
            return "API key not valid. Please pass a valid API key."
        if not request.path.endswith((":generateContent", ":streamGenerateContent?alt=sse")):
            return "unknown method"
        unknown = (body.keys() - FIELDS) | (body.get("generationConfig", {}).keys() - CONFIG)
        if unknown:
            return f'Invalid JSON payload received. Unknown name "{min(unknown)}"'
        contents = body.get("contents") or []
        if not contents or contents[0]["role"] != "user":
            return "contents must begin with a user"
        if contents[-1]["role"] == "model":
            return "a request may not end with the model"
        return self._broken_parts(contents) or _broken_calls(contents) or _unsigned(contents)

    def _broken_parts(self, contents: list[JSON]) -> str:
        for content in contents:
            if not content["parts"]:
                return "contents.parts must not be empty"
            for part in content["parts"]:
                if part.get("text") == "" and "thoughtSignature" not in part:
                    return "Unable to submit request because it has an empty text parameter"
                if part.get("thoughtSignature", SKIP) not in self._signatures:
                    return "Thought signature is not valid"
        return ""


def _broken_calls(contents: list[JSON]) -> str:
    for place, content in enumerate(contents):
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        if not calls:
            continue
        following = contents[place + 1]["parts"] if place + 1 < len(contents) else []
        answers = [part.get("functionResponse", {}) for part in following]
        asked = [(one["name"], one.get("id")) for one in calls]
        if asked != [(one.get("name"), one.get("id")) for one in answers]:
            return "the number of function response parts is not equal to the number of function call parts"
    return ""


def _unsigned(contents: list[JSON]) -> str:
    """The first call of each step of the current turn needs a signature."""
    for content in reversed(contents):
        if content["role"] == "user" and any("functionResponse" not in part for part in content["parts"]):
            return ""
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and "thoughtSignature" not in first:
            return "Function call is missing a thought_signature in functionCall parts."
    return ""


def _parts(whole: JSON) -> list[JSON]:
    found: list[JSON] = whole["candidates"][0]["content"]["parts"]
    return found


def chunks(whole: JSON) -> list[JSON]:
    """The same as a stream: each part in a chunk of its own, texts in two, and the end alone."""
    head = {name: whole[name] for name in ("modelVersion", "responseId")}
    chunks: list[JSON] = []
    for part in _parts(whole):
        for piece in _in_pieces(part):
            content = {"role": "model", "parts": [piece]}
            usage = {"promptTokenCount": whole["usageMetadata"]["promptTokenCount"]}
            chunks.append({"candidates": [{"content": content, "index": 0}], "usageMetadata": usage, **head})
    end = {name: value for name, value in whole["candidates"][0].items() if name != "content"}
    return [*chunks, {**whole, "candidates": [end]}]


def _in_pieces(part: JSON) -> list[JSON]:
    words = part.get("text", "")
    if len(words) < 2:
        return [part]
    half = len(words) // 2
    first = {name: value for name, value in part.items() if name != "thoughtSignature"}
    return [{**first, "text": words[:half]}, {**part, "text": words[half:]}]


def _one_by_one(turns: list[Turn]) -> Callable[[JSON], Turn]:
    return lambda _: turns.pop(0) if len(turns) > 1 else turns[0]
