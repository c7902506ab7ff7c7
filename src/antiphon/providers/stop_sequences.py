"""Stop sequences for upstreams that do not know them, or take fewer: the text of the answer is cut here.

The upstream goes on writing, and costs, until its connection is closed; so the answer is over where it is cut.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from antiphon.protocol import events
from antiphon.protocol.deltas import Annotation, Delta, Native, Opened, Relayed, Seal, Stopped, Text, UsageSeen
from antiphon.protocol.response import ContentPart, MessageItem, OutputTextPart
from antiphon.providers.base import Decoder

__all__ = ["StopSequences", "stopping_at"]

#: What may come between two pieces of one text.
_BESIDE = (Annotation, Native, Opened, Seal, UsageSeen)


def stopping_at(sequences: Iterable[str], decoder: Decoder) -> Decoder:
    """The decoder of an answer that ends before the first of these sequences in its text; itself if there are none."""
    wanted = tuple(sequence for sequence in sequences if sequence)
    return StopSequences(wanted, decoder) if wanted else decoder


class _Match(Struct, frozen=True):
    start: int
    sequence: str


class StopSequences:
    """Reads an answer up to the first stop sequence. See `providers.base.Decoder`.

    Text that may be the beginning of a sequence is held until what follows tells. Of two sequences the one that is
    complete first counts, of two that are complete at once the longer one.

    Attributes:
        done: the text was cut, or the answer is over without that.
    """

    __slots__ = ("_decoder", "_firsts", "_held", "_longest", "_sequences", "done")

    def __init__(self, sequences: Sequence[str], decoder: Decoder) -> None:
        self._decoder = decoder
        self._sequences = tuple(sequences)
        self._firsts = frozenset(sequence[0] for sequence in sequences)
        self._longest = max(map(len, sequences))
        self._held: Text | Relayed | None = None
        self.done = False

    def feed(self, data: bytes) -> list[Delta]:
        """Take bytes as they came. Never raises; once it is done everything is ignored."""
        return self._up_to_stop(self._decoder.feed(data))[0] if not self.done else []

    def eof(self) -> list[Delta]:
        """The body ended cleanly. An answer in one piece tells what it cost behind its text: that is still taken."""
        if self.done:
            return []
        deltas = self._decoder.eof()
        out, rest = self._up_to_stop(deltas)
        return out + [delta for delta in rest if isinstance(delta, UsageSeen)]

    def _up_to_stop(self, deltas: Sequence[Delta]) -> tuple[list[Delta], Sequence[Delta]]:
        """What goes on of the deltas, and the rest behind a cut."""
        out: list[Delta] = []
        for place, delta in enumerate(deltas):
            sequence = self._take(delta, out)
            if sequence is not None:
                out.append(Stopped("completed", "stop_sequence", sequence=sequence))
                self.done = True
                return out, deltas[place + 1 :]
        self.done = self._decoder.done
        return out, ()

    def _take(self, delta: Delta, out: list[Delta]) -> str | None:
        """Pass a delta on, as far as it may go. Returns the sequence before which the answer ends."""
        if isinstance(delta, Text) or (isinstance(delta, Relayed) and isinstance(delta.event, events.TextDelta)):
            return self._say(delta, out)
        if isinstance(delta, _BESIDE):
            out.append(delta)
            return None
        self._let_go(out)
        if isinstance(delta, Relayed):
            event, sequence = self._cut_event(delta.event)
            out.append(delta if sequence is None else Relayed(delta.key, event))
            return sequence
        out.append(delta)
        return None

    def _say(self, delta: Text | Relayed, out: list[Delta]) -> str | None:
        if self._held is not None and not _is_next(self._held, delta):
            self._let_go(out)
        if self._held is not None:
            place = self._held if isinstance(self._held, Relayed) else delta
            delta, self._held = _with_text(place, _text(self._held) + _text(delta)), None
        text = _text(delta)
        match = self._find(text)
        if match is not None:
            if match.start:
                out.append(_with_text(delta, text[: match.start]))
            return match.sequence
        held = self._overlap(text)
        if held:
            self._held = _with_text(delta, text[-held:])
            if held == len(text):
                return None
            delta = _with_text(delta, text[:-held])
        out.append(delta)
        return None

    def _let_go(self, out: list[Delta]) -> None:
        """What was held was no sequence."""
        if self._held is not None:
            out.append(self._held)
            self._held = None

    def _find(self, text: str) -> _Match | None:
        """The sequence that is complete first."""
        found = [_Match(start, one) for one in self._sequences if (start := text.find(one)) >= 0]
        return min(found, key=lambda match: (match.start + len(match.sequence), match.start)) if found else None

    def _overlap(self, text: str) -> int:
        """So many characters at the end may be the beginning of a sequence."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._firsts and any(one.startswith(text[start:]) for one in self._sequences):
                return len(text) - start
        return 0

    def _cut_event(self, event: events.Event) -> tuple[events.Event, str | None]:
        """An event that tells a text whole: in it, or in a part or an item. Not all servers send it in pieces too."""
        if isinstance(event, events.TextDone):
            match = self._find(event.text)
            if match is not None:
                return structs.replace(event, text=event.text[: match.start], logprobs=()), match.sequence
        elif isinstance(event, events.ContentPartDone):
            part, sequence = self._cut_part(event.part)
            return structs.replace(event, part=part), sequence
        elif isinstance(event, events.ItemDone) and isinstance(event.item, MessageItem):
            item, sequence = self._cut_item(event.item)
            return structs.replace(event, item=item), sequence
        return event, None

    def _cut_item(self, item: MessageItem) -> tuple[MessageItem, str | None]:
        for place, part in enumerate(item.content):
            cut, sequence = self._cut_part(part)
            if sequence is not None:
                return structs.replace(item, content=(*item.content[:place], cut)), sequence
        return item, None

    def _cut_part(self, part: ContentPart) -> tuple[ContentPart, str | None]:
        match = self._find(part.text) if isinstance(part, OutputTextPart) else None
        if match is None or not isinstance(part, OutputTextPart):
            return part, None
        # Citations and log probabilities may be about what is not shown.
        return OutputTextPart(part.text[: match.start]), match.sequence


def _is_next(held: Text | Relayed, delta: Text | Relayed) -> bool:
    """Whether the texts are pieces of one: `Text` goes on where the last event of the same item left off."""
    return held.key == delta.key and (isinstance(delta, Text) or _place(held) in (None, _place(delta)))


def _place(delta: Text | Relayed) -> int | None:
    return getattr(delta.event, "content_index", None) if isinstance(delta, Relayed) else None


def _text(delta: Text | Relayed) -> str:
    if isinstance(delta, Text):
        return delta.text
    return delta.event.delta if isinstance(delta.event, events.TextDelta) else ""


def _with_text(delta: Text | Relayed, text: str) -> Text | Relayed:
    """The same with another text. Log probabilities and padding are not about that one."""
    if isinstance(delta, Text):
        return Text(delta.key, text)
    if not isinstance(delta.event, events.TextDelta):
        return delta
    return Relayed(delta.key, events.TextDelta(0, "", 0, delta.event.content_index, text))
