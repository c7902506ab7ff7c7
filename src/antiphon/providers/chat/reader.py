"""Chunks to deltas. Framing is done elsewhere: the same reader serves a stream and a whole body."""

import msgspec
from msgspec import Raw, Struct, structs

from antiphon.protocol.deltas import (
    Annotation,
    Broke,
    CallArguments,
    Closed,
    Delta,
    Key,
    Opened,
    Reasoning,
    Refusal,
    Stopped,
    Text,
    UsageSeen,
)
from antiphon.protocol.faults import Fault
from antiphon.protocol.target import Target
from antiphon.providers.chat.calls import CallMixUpError, CallTracker
from antiphon.providers.chat.chunks import (
    ABSENT,
    Choice,
    ChoiceDelta,
    Chunk,
    ContentPart,
    FunctionFragment,
    GroqExtras,
    UsageCounts,
    called,
    decode_details,
)
from antiphon.providers.chat.extras import citations, logprob_entries
from antiphon.providers.chat.state import REASONING, ChatState, write_state
from antiphon.providers.chat.stops import FAILED, stop_reason
from antiphon.providers.chat.think import ThinkSplitter
from antiphon.providers.chat.usage import usage_seen
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import fault_of, protocol_fault
from antiphon.providers.shared.halves import Halves

__all__ = ["ChunkReader", "Expected"]

_TEXT = "text"
_REFUSAL = "refusal"  # only where halves wait: in the answer it is a part of the text's message
_LEGACY_CALL = -1  # the index under which `function_call`, the predecessor of `tool_calls`, is kept
_NO_USAGE = UsageSeen()


class Expected(Struct, frozen=True):
    """What the request says about its answer.

    Attributes:
        known: names of the tools on the wire.
        logprobs: log probabilities were asked for.
        think_tags: thoughts come inside the text.
        details, thoughts, call_extra: `reasoning_details`, the text of thoughts, `extra_content` of calls go back.
        vendor: the client speaks this dialect too, and gets what deltas cannot tell.
    """

    known: frozenset[str] = frozenset()
    logprobs: bool = False
    think_tags: bool = False
    details: bool = False
    thoughts: bool = False
    call_extra: bool = False
    vendor: bool = False


class ChunkReader:
    """One answer. `read` for each chunk, `end` once; both append to the list they are given.

    Attributes:
        stopped: a finish reason came.
        broken: `Broke` was given; nothing may follow.
        spoke: there was output.
    """

    __slots__ = (
        "_calls", "_expected", "_halves", "_logprobs", "_opened", "_part", "_part_index", "_target", "_think", "_usage",
        "broken", "spoke", "stopped",
    )  # fmt: skip

    def __init__(self, expected: Expected, target: Target) -> None:
        self._expected = expected
        self._target = target
        self._calls = CallTracker(expected.known)
        self._think = ThinkSplitter() if expected.think_tags else None
        self._halves: Halves | None = None
        self._logprobs: list[Raw] = []  # of tokens that made no text yet
        self._usage: UsageSeen | None = None
        self._part = 0
        self._part_index: int | None = None
        self._opened = False
        self.stopped = False
        self.broken = False
        self.spoke = False

    def expect_halves(self, *, stand_ins: int) -> None:
        """The next chunk may hold stand-ins; from it on, texts may begin or end with half a surrogate pair."""
        if self._halves is None:
            self._halves = Halves()
        self._halves.stand_ins = stand_ins

    def clean(self, json: bytes) -> bytes:
        """JSON of the next chunk without the stand-ins that it may hold."""
        return self._halves.replaced(json) if self._halves is not None else json

    def read(self, chunk: Chunk, out: list[Delta]) -> None:
        """Take one chunk."""
        if not self._opened:
            self._open(chunk, out)
        self._take(chunk, out)
        if self._halves is not None:
            self._halves.stand_ins = 0

    def _take(self, chunk: Chunk, out: list[Delta]) -> None:
        if chunk.error is not ABSENT and self._failed(chunk.error, out, code=chunk.code):  # xAI: a text, and a code
            return
        if chunk.choices:
            for choice in chunk.choices:
                if not choice.index:  # we never ask for more than one
                    self._choice(choice, out)
                    if self.broken:
                        return
        if chunk.usage is not None:
            self._count(chunk.usage, out)
        if chunk.x_groq is not None:
            self._groq(chunk.x_groq, out)

    def end(self, out: list[Delta]) -> None:
        """The answer is over and complete, whether or not it gave a reason to stop."""
        if not self.stopped:
            self._stop("", out)
        elif self._think is not None or self._halves is not None:
            self._settle(out, answer_missing=False)

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer is unusable from here on."""
        if not self.broken:
            self.broken = True
            out.append(Broke(fault))

    def _open(self, chunk: Chunk, out: list[Delta]) -> None:
        """Azure's first chunk is empty, ids included: the first chunk that says anything counts."""
        if chunk.id or chunk.model:
            self._opened = True
            upstream_id = str(chunk.id) if chunk.id else None
            fingerprint = str(chunk.system_fingerprint) if chunk.system_fingerprint else None
            out.append(Opened(upstream_id, chunk.model or None, chunk.service_tier, fingerprint))

    def _groq(self, extras: GroqExtras, out: list[Delta]) -> None:
        if extras.error is not ABSENT and self._failed(extras.error, out):
            return
        if extras.usage is not None:
            self._count(extras.usage, out)

    def _failed(self, error: Raw, out: list[Delta], *, code: Raw = ABSENT) -> bool:
        body = bytes(error)
        if body in (b"null", b"{}", b'""', b"false"):
            return False
        said = read_error(b'{"error":%b,"code":%b}' % (body, bytes(code) or b"null"))
        self.fail(fault_of(said or UpstreamError(body.decode("utf-8", "replace")), None, target=self._target), out)
        return True

    def _choice(self, choice: Choice, out: list[Delta]) -> None:
        if choice.error is not ABSENT and self._failed(choice.error, out):
            return
        delta = choice.delta
        if delta is None and choice.message is not None and not self.spoke:
            delta = _numbered(choice.message)  # a whole answer; some streams repeat it at their end
        if delta is not None:
            if self._expected.logprobs and choice.logprobs is not ABSENT:
                self._take_logprobs(choice.logprobs, out)
                if self.broken:
                    return
            self._delta(delta, out)
        if choice.finish_reason and not self.broken:
            self._stop(choice.finish_reason, out)
        if choice.usage is not None and not self.broken:
            self._count(choice.usage, out)

    def _delta(self, delta: ChoiceDelta, out: list[Delta]) -> None:
        if delta.reasoning_content is not None or delta.reasoning is not None or delta.reasoning_details is not ABSENT:
            self._reason(delta, out)
        if self.broken:
            return
        content = delta.content
        if content:
            if not isinstance(content, str):
                self._parts(content, out)
            elif self._think is None and self._halves is None:
                self.spoke = True
                out.append(Text(_TEXT, content, self._taken_logprobs()) if self._logprobs else Text(_TEXT, content))
            else:
                self._say(content, out)
        if delta.refusal:
            refusal = self._whole(_REFUSAL, self._native(delta.refusal), out)
            if refusal:
                self.spoke = True
                out.append(Refusal(_TEXT, refusal))
        if delta.annotations:
            out += [Annotation(_TEXT, citation) for citation in citations(delta.annotations)]
        if delta.tool_calls or delta.function_call:
            self._call_all(delta, out)

    def _reason(self, delta: ChoiceDelta, out: list[Delta]) -> None:
        """One source only: servers that send two of them send the same text twice."""
        if delta.reasoning_details is not ABSENT and self._details(delta.reasoning_details, out):
            return
        text = delta.reasoning or delta.reasoning_content
        if text:
            self._muse(text, out)

    def _details(self, raw: Raw, out: list[Delta]) -> bool:
        try:
            details = decode_details(raw) or []
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self.fail(protocol_fault(self._target, f"reasoning_details: {error}"), out)
            return True
        said = [detail for detail in details if detail.text or detail.summary]
        for detail in said:
            if detail.index is not None and detail.index != self._part_index:
                if self._part_index is not None:
                    self._part += 1
                self._part_index = detail.index
            self._muse(detail.text or detail.summary or "", out)
        return bool(said)

    def _muse(self, text: str, out: list[Delta]) -> None:
        if self._think is not None:
            self._think.stand_aside()
        self._think_aloud(self._native(text), out)

    def _think_aloud(self, text: str, out: list[Delta]) -> None:
        text = self._whole(REASONING, text, out)
        self._logprobs = []  # of thoughts: Responses has no place for them
        if text:
            self.spoke = True
            out.append(Reasoning(REASONING, text, self._part))

    def _parts(self, parts: list[ContentPart], out: list[Delta]) -> None:
        for part in parts:
            inner = part.thinking
            if inner:
                text = inner if isinstance(inner, str) else "".join(piece.text or "" for piece in inner)
                if text:
                    self._muse(text, out)
            elif part.text:
                self._say(part.text, out)

    def _say(self, text: str, out: list[Delta]) -> None:
        text = self._native(text)
        if self._think is None:
            self._speak(text, out)
            return
        self._pieces(self._think.feed(text), out)

    def _pieces(self, pieces: list[tuple[bool, str]], out: list[Delta]) -> None:
        for is_thought, piece in pieces:
            if is_thought:
                self._think_aloud(piece, out)
            else:
                self._speak(piece, out)

    def _speak(self, text: str, out: list[Delta]) -> None:
        text = self._whole(_TEXT, text, out)
        if text:
            self.spoke = True
            out.append(Text(_TEXT, text, self._taken_logprobs()))

    def _call_all(self, delta: ChoiceDelta, out: list[Delta]) -> None:
        for call in delta.tool_calls or ():
            if not self.broken:
                extra = call.extra_content if self._expected.call_extra else ABSENT
                self._call(call.index, str(call.id or ""), function=called(call), extra=extra, out=out)
        if delta.function_call is not None and not self.broken:
            self._call(_LEGACY_CALL, "", function=delta.function_call, extra=ABSENT, out=out)

    def _call(
        self, index: int | None, call_id: str, *, function: FunctionFragment | None, extra: Raw, out: list[Delta]
    ) -> None:
        self._logprobs = []
        name, arguments = "", ""
        state = b"" if extra is ABSENT or bytes(extra) == b"null" else write_state(ChatState(extra=extra))
        try:
            if function is not None:
                name, arguments = function.name or "", self._native(_argument_text(function))
            deltas = self._calls.add(index, call_id, name=name, arguments=arguments, state=state)
        except (CallMixUpError, UnicodeDecodeError) as error:
            self.fail(protocol_fault(self._target, str(error)), out)
            return
        self.spoke = self.spoke or self._calls.any
        self._emit_calls(deltas, out)

    def _emit_calls(self, deltas: list[Delta], out: list[Delta]) -> None:
        halves = self._halves
        if halves is None:
            out += deltas
            return
        for delta in deltas:
            if isinstance(delta, CallArguments):
                text = halves.join(delta.key, delta.text)
                if text:
                    out.append(CallArguments(delta.key, text))
                continue
            if isinstance(delta, Closed):
                self._settle_key(delta.key, out)
            out.append(delta)

    def _take_logprobs(self, raw: Raw, out: list[Delta]) -> None:
        try:
            if self._halves is not None:
                raw = Raw(self._halves.replaced(bytes(raw)))
            self._logprobs += logprob_entries(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self.fail(protocol_fault(self._target, f"logprobs: {error}"), out)

    def _taken_logprobs(self) -> tuple[Raw, ...]:
        taken, self._logprobs = tuple(self._logprobs), []
        return taken

    def _count(self, counts: UsageCounts, out: list[Delta]) -> None:
        usage = usage_seen(counts)
        if usage not in (self._usage, _NO_USAGE):  # some servers repeat it in every chunk
            self._usage = usage
            out.append(usage)

    def _stop(self, native: str, out: list[Delta]) -> None:
        if self.stopped:
            return
        if native.lower() in FAILED:
            error = UpstreamError(f"finish_reason {native}", words="server_error")
            self.fail(fault_of(error, None, target=self._target), out)
            return
        reason = stop_reason(native)
        self.stopped = True
        self._settle(out, answer_missing=reason == "completed" and not self._calls.any)
        try:
            self._emit_calls(self._calls.finish(close=reason == "completed"), out)
        except CallMixUpError as error:
            self.fail(protocol_fault(self._target, str(error)), out)
            return
        out.append(Stopped(reason, native))

    def _settle(self, out: list[Delta], *, answer_missing: bool) -> None:
        """Give out what was held back in the hope of more."""
        if self._think is not None:
            self._pieces(self._think.end(answer_missing=answer_missing), out)
        if self._halves is not None:
            for key in self._halves.others(None):
                self._settle_key(key, out)

    def _native(self, text: str) -> str:
        return self._halves.native(text) if self._halves is not None else text

    def _whole(self, key: Key, text: str, out: list[Delta]) -> str:
        """The part of a text that can be given out. A half that waits in another block has waited in vain."""
        if self._halves is None:
            return text
        for other in self._halves.others(key):
            if other in (_TEXT, REASONING, _REFUSAL):
                self._settle_key(other, out)
        return self._halves.join(key, text)

    def _settle_key(self, key: Key, out: list[Delta]) -> None:
        lone = self._halves.settle(key) if self._halves is not None else ""
        if not lone:
            return
        if key == _TEXT:
            out.append(Text(_TEXT, lone))
        elif key == REASONING:
            out.append(Reasoning(REASONING, lone, self._part))
        elif key == _REFUSAL:
            out.append(Refusal(_TEXT, lone))
        else:
            out.append(CallArguments(key, lone))


def _argument_text(function: FunctionFragment) -> str:
    """The arguments as a text. Raises UnicodeDecodeError: the inside of JSON arguments was not checked yet."""
    given = function.arguments
    if given is None or isinstance(given, str):
        return given or ""
    return msgspec.json.encode(given).decode()


def _numbered(message: ChoiceDelta) -> ChoiceDelta:
    """The calls of a whole message are whole calls: their places tell them apart, whatever they say themselves."""
    if not message.tool_calls:
        return message
    calls = [structs.replace(call, index=place) for place, call in enumerate(message.tool_calls)]
    return structs.replace(message, tool_calls=calls)
