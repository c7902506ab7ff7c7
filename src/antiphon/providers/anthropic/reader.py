"""Events to deltas. Framing is done elsewhere: the same reader serves a stream and a whole body."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Raw, Struct

from antiphon.protocol.deltas import (
    Annotation,
    Broke,
    CallArguments,
    CallOpened,
    Closed,
    Delta,
    Opened,
    Reasoning,
    Refusal,
    Seal,
    SearchDone,
    SearchOpened,
    Stopped,
    StopReason,
    Text,
)
from antiphon.protocol.faults import Fault
from antiphon.providers.anthropic.pausing import PAUSED
from antiphon.providers.anthropic.search import action_of, annotation_of, has_failed
from antiphon.providers.anthropic.state import write_state
from antiphon.providers.anthropic.tools import SEARCH
from antiphon.providers.anthropic.usage import UsageTracker, tier_of
from antiphon.providers.anthropic.wire import (
    ABSENT,
    Block,
    Citation,
    EventDelta,
    MessageHead,
    StopDetails,
    decode_block,
)

__all__ = ["Expected", "MessageReader"]

_INCOMPLETE: dict[str, StopReason] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
}
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class Expected(Struct, frozen=True):
    """What the request says about its answer.

    Attributes:
        answer_tool: the tool whose input is the text of the answer.
        vendor: the client speaks this dialect: it gets every event as it is, and goes on after a pause itself.
        resumable: it may be interrupted, and shall be gone on with then.
        waiting: id -> block of the vendor's own calls before an interruption whose results are in this answer.
    """

    answer_tool: str | None = None
    vendor: bool = False
    resumable: bool = False
    waiting: Mapping[str, Raw] = MappingProxyType({})


class _Open:
    """A block that was begun."""

    __slots__ = ("citations", "is_sealed", "kind", "name", "pieces", "raw", "signature", "start")

    def __init__(self, block: Block, raw: Raw) -> None:
        self.kind = block.type
        self.name = block.name or ""
        self.raw = bytes(raw)  # a copy: what it was read from does not live on
        self.pieces: list[str] = []
        self.signature = block.signature or ""
        self.citations: list[Citation] = []
        self.start = 0
        self.is_sealed = False  # what goes back was given, or cannot be known: something came that is not understood


class MessageReader:
    """One answer. `begin`, `start`, `delta`, `stop`, `finish` as the events come; all append to the list they get.

    Attributes:
        stopped: a stop reason came.
        broken: `Broke` was given; nothing may follow.
    """

    __slots__ = (
        "_called", "_calls", "_chars", "_expected", "_open", "_own_tools", "_spoke", "_text_key", "_usage", "broken",
        "stopped",
    )  # fmt: skip

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._usage = UsageTracker()
        self._open: dict[int, _Open] = {}
        self._own_tools: dict[str, tuple[str, bytes]] = {  # id -> key and block of a call that the vendor answers
            call_id: (_search_key(decode_block(raw)), bytes(raw)) for call_id, raw in expected.waiting.items()
        }
        self._calls: list[str] = []  # ended, but not known to be whole
        self._text_key: str | None = None  # of the message that is being written
        self._chars = 0  # of its text so far
        self._spoke = False
        self._called = False  # functions of the client's
        self.stopped = False
        self.broken = False

    def open(self, head: MessageHead, out: list[Delta]) -> None:
        """A stream begins."""
        self.begin(head, out)
        seen = self._usage.begin(head.usage) if head.usage is not ABSENT else None
        if seen is not None:
            out.append(seen)

    def begin(self, head: MessageHead, out: list[Delta]) -> None:
        """The message begins. Its counts are taken apart."""
        out.append(Opened(head.id, head.model, tier_of(head.usage)))

    def count(self, usage: Raw, out: list[Delta]) -> None:
        """Token counts so far."""
        seen = self._usage.see(usage) if usage is not ABSENT else None
        if seen is not None:
            out.append(seen)

    def start(self, index: int, raw: Raw, out: list[Delta]) -> None:
        """A block begins, perhaps with content already.

        Raises:
            msgspec.DecodeError: it is no content block.
        """
        block = decode_block(raw)
        if index in self._open:
            self.stop(index, out)
        self._close_calls(out)
        held = self._open[index] = _Open(block, raw)
        match block.type:
            case "text":
                self._start_text(index, block, out=out)
            case "thinking":
                self._text_key = None
                self._think(index, held, text=block.thinking or "", out=out)
            case "tool_use":
                self._start_call(index, block, out=out)
            case "redacted_thinking":
                held.is_sealed = True
                self._seal(f"thinking:{index}", [held.raw], out=out)
            case "server_tool_use":
                self._start_own(held, block, out=out)
            case kind if kind.endswith("_tool_result") and block.tool_use_id in self._own_tools:
                self._finish_own(index, block, out=out)

    def delta(self, index: int, delta: EventDelta, out: list[Delta]) -> None:
        """More of a block."""
        held = self._open.get(index)
        if held is None:
            return
        if delta.text is not None:
            self._speak(index, held, text=delta.text, out=out)
        elif delta.partial_json is not None:
            self._argue(index, held, text=delta.partial_json, out=out)
        elif delta.thinking is not None:
            self._think(index, held, text=delta.thinking, out=out)
        elif delta.signature is not None:
            held.signature = delta.signature
            self._sign(index, held, out)
        elif delta.citation is not None:
            held.citations.append(delta.citation)
        else:
            held.is_sealed = True

    def stop(self, index: int, out: list[Delta]) -> None:
        """A block is complete."""
        held = self._open.pop(index, None)
        if held is None:
            return
        match held.kind:
            case "text":
                self._cite(held, out)
            case "thinking":
                if not held.is_sealed:
                    self._sign(index, held, out)
            case "tool_use":
                self._stop_call(index, held, out=out)
            case "server_tool_use":
                self._stop_own(held)
            case kind if kind.endswith("_tool_result"):
                return
            case _:
                if not held.is_sealed:  # of a type that only the vendor can read, and that came whole
                    self._seal(f"block:{index}", [held.raw], out=out)

    def end(self, reason: str, details: StopDetails | None, *, out: list[Delta], paused: bytes | None = None) -> None:
        """The model stopped. Only the first reason counts. `paused`: what to go on with, where that is possible."""
        if self.stopped:
            return
        self.stopped = True
        stop = self._meaning(reason, can_go_on=paused is not None)
        if stop == "completed":
            for index in sorted(self._open):
                self.stop(index, out)
            self._close_calls(out)
        self._cite_all(out)
        if reason == "refusal" and not self._spoke and details is not None and details.explanation:
            out.append(Refusal("refusal", details.explanation))
        out.append(Stopped(stop, reason, paused=paused))

    def fail(self, fault: Fault, out: list[Delta]) -> None:
        """The answer is unusable from here on."""
        if not self.broken:
            self.broken = True
            self._cite_all(out)
            out.append(Broke(fault))

    def _meaning(self, reason: str, *, can_go_on: bool) -> StopReason:
        if reason == PAUSED and not (can_go_on or self._expected.vendor or self._called):
            return "max_output_tokens"  # there is more, which nobody can ask for
        return _INCOMPLETE.get(reason, "completed")

    def _start_text(self, index: int, block: Block, *, out: list[Delta]) -> None:
        held = self._open[index]
        if self._text_key is None:
            self._text_key = f"text:{index}"
            self._chars = 0
        held.start = self._chars
        held.citations += block.citations or ()
        self._speak(index, held, text=block.text or "", out=out)

    def _speak(self, index: int, held: _Open, *, text: str, out: list[Delta]) -> None:
        if not text:
            return
        key = self._text_key
        if key is None:  # another block began in between, which the vendor does not do
            key = self._text_key = f"text:{index}"
            self._chars = held.start = 0
        self._chars += len(text)
        self._spoke = True
        out.append(Text(key, text))

    def _cite(self, held: _Open, out: list[Delta]) -> None:
        """What the text of a block leans on. Citations come before the text as well as behind it."""
        if self._text_key is None or held.start == self._chars:
            return
        for citation in held.citations:
            annotation = annotation_of(citation, start=held.start, end=self._chars)
            if annotation is not None:
                out.append(Annotation(self._text_key, annotation))
        held.citations = []

    def _cite_all(self, out: list[Delta]) -> None:
        for held in self._open.values():
            if held.kind == "text":
                self._cite(held, out)

    def _think(self, index: int, held: _Open, *, text: str, out: list[Delta]) -> None:
        if text:
            self._text_key = None
            held.pieces.append(text)
            out.append(Reasoning(f"thinking:{index}", text))

    def _sign(self, index: int, held: _Open, out: list[Delta]) -> None:
        """A thought is whole, and goes back as it is.

        The block is not closed: if the answer ends here, it may have been cut in the middle of the thought.
        """
        held.is_sealed = True
        thought = {"type": "thinking", "thinking": "".join(held.pieces), "signature": held.signature}
        out.append(Seal(f"thinking:{index}", write_state([_encode(thought)])))

    def _start_call(self, index: int, block: Block, *, out: list[Delta]) -> None:
        if block.name == self._expected.answer_tool and block.name:
            self._text_key = None
            return
        self._text_key = None
        self._spoke = self._called = True
        out.append(CallOpened(f"call:{index}", block.id or "", block.name or ""))

    def _argue(self, index: int, held: _Open, *, text: str, out: list[Delta]) -> None:
        if not text:
            return
        held.pieces.append(text)
        if held.kind == "tool_use":
            self._give(index, held, text=text, out=out)

    def _give(self, index: int, held: _Open, *, text: str, out: list[Delta]) -> None:
        if held.name and held.name == self._expected.answer_tool:
            self._speak(index, held, text=text, out=out)
        else:
            out.append(CallArguments(f"call:{index}", text))

    def _stop_call(self, index: int, held: _Open, *, out: list[Delta]) -> None:
        if not held.pieces:  # some servers send the whole input with the block's beginning
            whole = bytes(decode_block(held.raw).input).decode()
            if whole not in ("", "{}", "null"):
                self._give(index, held, text=whole, out=out)
        if not held.name or held.name != self._expected.answer_tool:
            self._calls.append(f"call:{index}")

    def _close_calls(self, out: list[Delta]) -> None:
        """Calls that were ended are whole once something follows them: where the limit cuts one, it is ended too."""
        out += [Closed(key) for key in self._calls]
        self._calls.clear()

    def _start_own(self, held: _Open, block: Block, *, out: list[Delta]) -> None:
        """A call that the vendor answers itself. Only of searches there is something to be seen."""
        key = _search_key(block)
        self._own_tools[block.id or ""] = (key, held.raw)
        if key:
            self._text_key = None
            self._spoke = True
            out.append(SearchOpened(key))

    def _stop_own(self, held: _Open) -> None:
        """The call is complete: its input came in pieces, or with its beginning."""
        if held.pieces:
            fields = _fields.decode(held.raw)
            fields["input"] = _object("".join(held.pieces).encode())
            call_id = decode_block(held.raw).id or ""
            known = self._own_tools.get(call_id)
            if known is not None:  # else its result came before its end
                self._own_tools[call_id] = (known[0], _encode(fields))

    def _finish_own(self, index: int, block: Block, *, out: list[Delta]) -> None:
        """The vendor's own result: a search ends. Call and result go back together, with what is encrypted in them."""
        key, call = self._own_tools.pop(block.tool_use_id or "")
        if key:
            action = action_of(bytes(decode_block(call).input), block.content)
            out.append(SearchDone(key, action, failed=has_failed(block.content)))
        self._seal(f"found:{index}", [call, self._open[index].raw], out=out)

    def _seal(self, key: str, blocks: list[bytes], *, out: list[Delta]) -> None:
        self._text_key = None
        out += [Seal(key, write_state(blocks)), Closed(key)]


def _search_key(block: Block) -> str:
    """The key of a search of the vendor's; empty for its other tools, of which nothing is shown."""
    return f"search:{block.id}" if block.name == SEARCH else ""


def _object(arguments: bytes) -> Raw:
    """The arguments of a call, if they are an object."""
    try:
        _fields.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Raw(b"{}")
    return Raw(arguments)
