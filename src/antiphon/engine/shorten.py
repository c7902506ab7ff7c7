"""`truncation: auto`: what is left of a conversation that is too long for its model.

Whole turns go, the oldest first; when only the last one is left, its oldest rounds of calls. A call never loses its
output nor the thought before it, and what system and developer messages say stays, as do the last turn's user messages.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from antiphon.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    Message,
)

__all__ = ["Shortened", "shorten", "weight"]

#: What media weigh, whatever their size: models count them by other measures than their bytes.
_MEDIA_BYTES = 4000
_BASE64 = re.compile(rb";base64,[A-Za-z0-9+/=]+")

#: Groups of items that stay, whatever happens.
_STAYS = -1


class Shortened(Struct, frozen=True):
    """What is left, and how many items went."""

    items: tuple[InputItem, ...]
    dropped: int


def weight(item: InputItem) -> int:
    """Roughly the bytes of text in it."""
    if b";base64," not in item.raw:
        return len(item.raw)
    text, media = _BASE64.subn(b"", item.raw)
    return len(text) + media * _MEDIA_BYTES


def shorten(items: Sequence[InputItem], *, keep: float) -> Shortened | None:
    """The items without the oldest ones, so that about that share of their weight is left, or what cannot go.

    At least something goes. `None` when nothing can.
    """
    groups, droppable = _grouped(items)
    weights = [weight(item) for item in items]
    left, most = sum(weights), sum(weights) * keep
    sizes = dict.fromkeys(groups, 0)
    for size, group in zip(weights, groups, strict=True):
        sizes[group] += size
    gone: set[int] = set()
    for group in droppable:
        if gone and left <= most:
            break
        gone.add(group)
        left -= sizes.get(group, 0)
    if not gone:
        return None
    kept = tuple(item for item, group in zip(items, groups, strict=True) if group not in gone)
    return Shortened(kept, len(items) - len(kept))


class _Grouper:
    """Gives each item its group: a turn, or in the last turn a round."""

    def __init__(self, last_turn: int) -> None:
        self._last_turn = last_turn
        self._by_call: dict[str, int] = {}
        self._group = 0
        self._begun = False
        self._answered = False  # an output stood last: what the assistant does next is another round
        self.rounds: list[int] = []

    def turn(self) -> None:
        """A turn begins."""
        self._group += self._begun
        self._begun, self._answered = True, False

    def place(self, at: int, item: InputItem) -> int:
        """The group of the next item."""
        value = item.value
        self._begun = True
        if isinstance(value, FunctionCallOutput | CustomToolCallOutput):
            self._answered = True
            return self._by_call.get(value.call_id, self._group)
        if at >= self._last_turn:
            if isinstance(value, Message) and value.role == "user":
                return _STAYS
            if self._answered or not self.rounds:
                self._group += 1
                self.rounds.append(self._group)
        self._answered = False
        if isinstance(value, FunctionCall | CustomToolCall):
            self._by_call[value.call_id] = self._group
        return self._group


def _grouped(items: Sequence[InputItem]) -> tuple[list[int], list[int]]:
    """The group of each item, and the groups that may go, the oldest first."""
    starts = _turn_starts(items)
    grouper = _Grouper(starts[-1] if starts else 0)
    groups: list[int] = []
    begins = frozenset(starts)
    for at, item in enumerate(items):
        if isinstance(item.value, Message) and item.value.role in ("system", "developer"):
            groups.append(_STAYS)
            continue
        if at in begins:
            grouper.turn()
        groups.append(grouper.place(at, item))
    turns = dict.fromkeys(group for group in groups[: starts[-1] if starts else 0] if group != _STAYS)
    return groups, [*turns, *grouper.rounds[:-1]]


def _turn_starts(items: Sequence[InputItem]) -> list[int]:
    """Places of the user messages before which somebody else had spoken."""
    starts: list[int] = []
    after_user = False
    for at, item in enumerate(items):
        role = item.value.role if isinstance(item.value, Message) else ""
        if role in ("system", "developer"):
            continue
        if role == "user" and not after_user:
            starts.append(at)
        after_user = role == "user"
    return starts
