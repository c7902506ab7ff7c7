"""Calls while they are being written: functions, custom tools, and searches that the upstream runs itself."""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from antiphon.protocol import deltas, events
from antiphon.protocol.blocks import EventLog
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, ItemStatus, OutputItem, WebSearchItem

__all__ = ["CallBlock", "CustomCallBlock", "SearchBlock"]


class CallBlock:
    """A function call."""

    __slots__ = ("_call_id", "_chunks", "_log", "_name", "_namespace", "id", "index", "state")

    def __init__(self, log: EventLog, *, index: int, item_id: str, opened: deltas.CallOpened) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._call_id = opened.call_id
        self._name = opened.name
        self._namespace: str | UnsetType = opened.namespace or UNSET
        self._chunks: list[str] = []
        log.add(events.ItemAdded(log.number(), index, self.snapshot("in_progress")))

    def append(self, text: str) -> None:
        """Append to the arguments."""
        self._chunks.append(text)
        self._log.add(events.ArgumentsDelta(self._log.number(), self.id, self.index, text))

    def is_whole(self) -> bool:
        """Whether the arguments are a JSON object: of a call that was not finished, the only sign that it is whole."""
        try:
            return isinstance(msgspec.json.decode("".join(self._chunks)), dict)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False

    def snapshot(self, status: ItemStatus) -> FunctionCallItem:
        """The item as it is now."""
        return FunctionCallItem(self.id, self._call_id, self._name, "".join(self._chunks), status, self._namespace)

    def close(self, status: ItemStatus) -> OutputItem:
        """Close the call. A complete call without arguments gets `{}`; a cut one is left as it was cut."""
        if not self._chunks and status == "completed":
            self.append("{}")
        item = self.snapshot(status)
        log = self._log
        log.add(events.ArgumentsDone(log.number(), self.id, self.index, item.name, item.arguments))
        log.add(events.ItemDone(log.number(), self.index, item))
        return item


class CustomCallBlock:
    """A call of a custom tool: its input is plain text, of which nobody can tell whether it is whole."""

    __slots__ = ("_call_id", "_chunks", "_log", "_name", "_namespace", "id", "index", "state")

    def __init__(self, log: EventLog, *, index: int, item_id: str, opened: deltas.CallOpened) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._call_id = opened.call_id
        self._name = opened.name
        self._namespace: str | UnsetType = opened.namespace or UNSET
        self._chunks: list[str] = []
        log.add(events.ItemAdded(log.number(), index, self.snapshot("in_progress")))

    def append(self, text: str) -> None:
        """Append to the input."""
        self._chunks.append(text)
        self._log.add(events.CustomInputDelta(self._log.number(), self.id, self.index, text))

    def is_whole(self) -> bool:
        """Never known of a call that was not finished."""
        return False

    def snapshot(self, status: ItemStatus) -> CustomCallItem:
        """The item as it is now."""
        return CustomCallItem(self.id, self._call_id, self._name, "".join(self._chunks), status, self._namespace)

    def close(self, status: ItemStatus) -> OutputItem:
        """Close the call."""
        item = self.snapshot(status)
        log = self._log
        log.add(events.CustomInputDone(log.number(), self.id, self.index, item.input))
        log.add(events.ItemDone(log.number(), self.index, item))
        return item


class SearchBlock:
    """A search of the web by the upstream. `finish` it before it is closed; one that is not was cut, and failed."""

    __slots__ = ("_action", "_failed", "_log", "id", "index", "state")

    def __init__(self, log: EventLog, *, index: int, item_id: str) -> None:
        self.index = index
        self.id = item_id
        self.state: bytes | None = None
        self._log = log
        self._action: Raw | None = None
        self._failed = True
        log.add(events.ItemAdded(log.number(), index, self.snapshot("in_progress")))
        log.add(events.SearchInProgress(log.number(), item_id, index))
        log.add(events.SearchSearching(log.number(), item_id, index))

    def finish(self, action: Raw, *, failed: bool) -> None:
        """What was looked for, and whether that worked."""
        self._action = action
        self._failed = failed

    def snapshot(self, status: Literal["in_progress", "completed", "incomplete"]) -> WebSearchItem:
        """The item as it is now."""
        state: Literal["in_progress", "completed", "failed"] = "in_progress"
        if status != "in_progress":
            state = "failed" if self._failed else "completed"
        return WebSearchItem(self.id, state) if self._action is None else WebSearchItem(self.id, state, self._action)

    def close(self, status: ItemStatus) -> OutputItem:
        """Close the item."""
        item = self.snapshot(status)
        log = self._log
        if item.status == "completed":
            log.add(events.SearchCompleted(log.number(), self.id, self.index))
        log.add(events.ItemDone(log.number(), self.index, item))
        return item
