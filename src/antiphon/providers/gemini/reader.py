"""Chunks to deltas. Framing is done elsewhere: the same reader serves a stream and a whole body."""

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.deltas import (
    Broke,
    Delta,
    Opened,
    Reasoning,
    Seal,
    SearchDone,
    SearchOpened,
    Stopped,
    Text,
    UsageSeen,
)
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.gemini.calls import CallMixUpError, CallReader
from antiphon.providers.gemini.chunks import ABSENT, AnswerPart, Candidate, Chunk
from antiphon.providers.gemini.extras import logprob_entries
from antiphon.providers.gemini.faults import blocked, in_band_fault, stopped_badly
from antiphon.providers.gemini.grounding import Sources, SpokenText, searched
from antiphon.providers.gemini.state import Mark, State, write_state
from antiphon.providers.gemini.stops import FAILED, NO_REASON, PAUSED, VAGUE, stop_reason
from antiphon.providers.gemini.usage import usage_seen
from antiphon.providers.shared.faults import broken_off, protocol_fault

__all__ = ["ChunkReader", "Expected"]

_NO_USAGE = UsageSeen()
_NULLS = (b"", b"null", b"{}")
_WEB_SEARCH = "GOOGLE_SEARCH_WEB"
_json_object = msgspec.json.Decoder(dict[str, object])


class Expected(Struct, frozen=True):
    """What the request says about its answer.

    Attributes:
        logprobs: log probabilities were asked for.
        one_call: at most one call is wanted; Gemini cannot be told.
    """

    logprobs: bool = False
    one_call: bool = False


class _ToolCall(Struct, frozen=True, rename="camel"):
    """A tool that runs at Google."""

    id: str | None = None
    tool_type: str | None = None
    args: dict[str, object] | None = None


_tool_call = msgspec.json.Decoder(_ToolCall | None)


class _Block:
    """What is being written: a message, a thought or a call, and what Google wants back with it.

    Attributes:
        unsealed: something came for it since it was sealed last. It is sealed once, at its end: with a signature in
            every chunk, the state would else be written anew with each of them.
    """

    __slots__ = ("after", "before", "key", "kind", "length", "marks", "signature", "unsealed")

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key
        self.length = 0
        self.signature = ""
        self.marks: list[Mark] = []
        self.before: list[dict[str, object]] = []
        self.after: list[dict[str, object]] = []
        self.unsealed = False

    def seal(self) -> Seal:
        """All that came for it."""
        self.unsealed = False
        state = State(self.signature, tuple(self.marks), tuple(self.before), tuple(self.after))
        return Seal(self.key, write_state(state))


class ChunkReader:
    """One answer. `read` for each chunk, `end` once; both append to the list they are given.

    Attributes:
        stopped: a finish reason came.
        broken: `Broke` was given; nothing may follow.
    """

    __slots__ = (
        "_block", "_calls", "_count", "_expected", "_flavour", "_logprobs", "_opened", "_part", "_pending", "_searches",
        "_seen", "_sources", "_spoken", "_target", "_usage", "broken", "stopped",
    )  # fmt: skip

    def __init__(self, expected: Expected, target: Target) -> None:
        self._expected = expected
        self._target = target
        self._calls = CallReader(only_first=expected.one_call)
        self._sources = Sources()
        self._spoken = SpokenText()
        self._block: _Block | None = None
        self._pending: list[dict[str, object]] = []  # parts of Google's own tools that belong to what follows
        self._searches: dict[str, tuple[str, list[str]]] = {}  # id of a tool's call -> key of its search, queries
        self._logprobs: tuple[Raw, ...] = ()
        self._usage: UsageSeen | None = None
        self._count = 0
        self._part = -1
        self._flavour = ""
        self._opened = False
        self._seen = False  # a candidate came
        self.stopped = False
        self.broken = False

    def read(self, chunk: Chunk, out: list[Delta]) -> bool:
        """Take one chunk. Returns whether it said anything at all."""
        if bytes(chunk.error) not in _NULLS:
            self.fail(in_band_fault(b'{"error":%b}' % bytes(chunk.error), self._target), out)
            return True
        if not self._opened and (chunk.response_id or chunk.model_version):
            self._opened = True
            out.append(Opened(chunk.response_id, chunk.model_version))
        if chunk.usage_metadata is not None:
            usage = usage_seen(chunk.usage_metadata)
            if usage not in (self._usage, _NO_USAGE):  # it is repeated in every chunk
                self._usage = usage
                out.append(usage)
        candidate = next((one for one in chunk.candidates or () if not one.index), None)
        if candidate is not None:
            self._seen = True
            self._candidate(candidate, out)
            return True
        reason = chunk.prompt_feedback.block_reason if chunk.prompt_feedback is not None else None
        if reason and not self._seen:
            self.fail(blocked(self._target, reason), out)
        return chunk.candidates is not None or chunk.usage_metadata is not None or chunk.prompt_feedback is not None

    def end(self, out: list[Delta], *, is_cut: bool) -> None:
        """Nothing more comes. `is_cut`: the bytes end inside a frame."""
        if self.stopped or self.broken:
            return
        if is_cut or self._seen:
            self.fail(broken_off(self._target, is_cut=is_cut), out)
        else:
            self.fail(protocol_fault(self._target, "no candidates"), out)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer is unusable from here on."""
        if not self.broken:
            self.broken = True
            self._seal(out)
            out.append(Broke(fault))

    def _candidate(self, candidate: Candidate, out: list[Delta]) -> None:
        is_late = self.stopped  # some servers give a finish reason with every chunk
        self._sources.take(candidate)
        try:
            if self._expected.logprobs and candidate.logprobs_result is not ABSENT:
                self._logprobs += logprob_entries(candidate.logprobs_result)
            parts = (candidate.content.parts if candidate.content is not None else None) or ()
            for place, part in enumerate(parts):
                self._number(part, is_first=place == 0)
                self._take(part, out)
        except (CallMixUpError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self.fail(protocol_fault(self._target, str(error)), out)
            return
        if is_late:
            self._seal(out)
            self._calls.settle(out, complete=True)
            return
        reason = candidate.finish_reason or ""
        if reason not in NO_REASON:
            self._stop(reason, out)

    def _number(self, part: AnswerPart, *, is_first: bool) -> None:
        """Count the parts as they would be in one piece: a text goes on from one chunk to the next."""
        flavour = "" if part.text is None or part.function_call is not None else f"text-{part.thought is True}"
        if not (is_first and flavour and flavour == self._flavour):
            self._part += 1
        self._flavour = flavour

    def _take(self, part: AnswerPart, out: list[Delta]) -> None:
        if part.function_call is not None:
            self._call(part, out)
        elif part.tool_call is not ABSENT or part.tool_response is not ABSENT:
            self._tool(part, out)
        elif part.thought:
            self._think(part, out)
        else:
            text = _shown(part)
            if text:
                self._say(text, part, out)
            elif part.thought_signature:
                self._sign_nothing(part.thought_signature, out)

    def _call(self, part: AnswerPart, out: list[Delta]) -> None:
        if part.function_call is None:
            return
        self._seal(out)
        key = self._calls.add(part.function_call, out)
        self._logprobs = ()
        if key is None:
            return
        block = self._block
        if block is None or block.key != key:
            block = self._begin("call", key)
        if part.thought_signature:
            block.signature = part.thought_signature
        if part.thought_signature or block.before:
            out.append(block.seal())

    def _think(self, part: AnswerPart, out: list[Delta]) -> None:
        self._logprobs = ()
        if not (part.text or part.thought_signature):
            return
        block = self._continued("thought", out)
        if part.text:
            out.append(Reasoning(block.key, part.text))
        if part.thought_signature:
            block.signature = part.thought_signature
            block.unsealed = True

    def _say(self, text: str, part: AnswerPart, out: list[Delta]) -> None:
        block = self._continued("text", out)
        is_new = not block.length
        start, block.length = block.length, block.length + len(text)
        out.append(Text(block.key, text, self._logprobs))
        self._logprobs = ()
        self._spoken.add(self._part, block.key, text=text)
        if part.thought_signature:
            block.marks.append(Mark(start, block.length, part.thought_signature))
        block.unsealed = block.unsealed or bool(part.thought_signature or (is_new and block.before))

    def _sign_nothing(self, signature: str, out: list[Delta]) -> None:
        """A signature on an empty part belongs to what stands before it, as a part of its own."""
        block = self._block
        if block is None:
            block = self._continued("thought", out)
        if block.kind == "text":
            block.marks.append(Mark(block.length, block.length, signature))
        else:
            block.after.append({"text": "", "thoughtSignature": signature})
        block.unsealed = True

    def _seal(self, out: list[Delta]) -> None:
        """Before the open block ends."""
        if self._block is not None and self._block.unsealed:
            out.append(self._block.seal())

    def _tool(self, part: AnswerPart, out: list[Delta]) -> None:
        """A tool that runs at Google: it wants all of it back; a search of the web is shown."""
        name, raw = (
            ("toolCall", part.tool_call) if part.tool_call is not ABSENT else ("toolResponse", part.tool_response)
        )
        kept: dict[str, object] = {name: _json_object.decode(raw)}
        if part.thought_signature:
            kept["thoughtSignature"] = part.thought_signature
        self._pending.append(kept)
        self._seal(out)
        self._calls.settle(out, complete=True)
        self._block = None
        call = _tool_call.decode(raw) or _ToolCall()
        if call.tool_type != _WEB_SEARCH:
            return
        if name == "toolCall":
            key = f"search-{len(self._searches)}"
            self._searches[call.id or key] = key, _texts((call.args or {}).get("queries"))
            out.append(SearchOpened(key))
        elif self._searches:
            key, queries = self._searches.get(call.id or "") or next(reversed(self._searches.values()))
            out.append(SearchDone(key, searched(queries, [])))

    def _continued(self, kind: str, out: list[Delta]) -> _Block:
        """The block that is open if it is of that kind, else a new one."""
        block = self._block
        if block is not None and block.kind == kind:
            return block
        self._seal(out)
        self._calls.settle(out, complete=True)
        self._count += 1
        return self._begin(kind, f"{kind}-{self._count}")

    def _begin(self, kind: str, key: str) -> _Block:
        block = self._block = _Block(kind, key)
        if kind != "thought":
            block.before, self._pending = self._pending, []
        return block

    def _stop(self, native: str, out: list[Delta]) -> None:
        has_output = self._block is not None or self._calls.any or bool(self._count)
        if native in FAILED or (native in VAGUE and not has_output):
            self.fail(stopped_badly(self._target, native), out)
            return
        self.stopped = True
        goes_on = native == PAUSED and has_output and not self._calls.any
        reason = "completed" if goes_on else stop_reason(native)
        self._keep_pending(out)
        self._seal(out)
        if self._block is not None and self._block.kind == "text":
            out += self._sources.annotations(self._spoken, self._block.key)
        self._calls.settle(out, complete=reason == "completed")
        out += self._sources.searches(searched_already=bool(self._searches))
        out.append(Stopped(reason, native, paused=b"" if goes_on else None))

    def _keep_pending(self, out: list[Delta]) -> None:
        """Parts of Google's tools with nothing behind them stay with what stands before them."""
        if not self._pending:
            return
        block = self._continued("thought", out)
        block.after += self._pending
        block.unsealed = True
        self._pending = []


def _shown(part: AnswerPart) -> str:
    """A part as text. What Google ran is shown as code; media that the model made can only be named."""
    if part.executable_code is not None:
        language = (part.executable_code.language or "").lower()
        return f"\n```{language}\n{part.executable_code.code or ''}\n```\n"
    if part.code_execution_result is not None:
        return f"\n```\n{(part.code_execution_result.output or '').rstrip()}\n```\n"
    if part.inline_data is not None:
        return f"[{part.inline_data.mime_type or 'media'}]"
    return part.text or ""


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
