"""Events of an upstream that speaks Responses to deltas: which item an event is about, and how the answer ended.

Upstreams differ in what they leave out: indexes, ids, whole events. Items are told apart by what there is.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from antiphon.protocol import events
from antiphon.protocol.deltas import Broke, Delta, Key, Opened, Relayed, Seal, Stopped, StopReason, Text, UsageSeen
from antiphon.protocol.reading import NULL, Fields, read_fields, read_item
from antiphon.protocol.response import CustomCallItem, FunctionCallItem, OutputItem, ReasoningItem, Response
from antiphon.protocol.target import Target
from antiphon.providers.names import ToolNames
from antiphon.providers.responses.calls import CallTranslator
from antiphon.providers.responses.events import Place, TextFrame, place_of, read_event
from antiphon.providers.responses.state import write_clear, write_thought
from antiphon.providers.responses.usage import usage_seen
from antiphon.providers.shared.errors import UpstreamError, read_error
from antiphon.providers.shared.faults import fault_of
from antiphon.providers.shared.halves import Halves

__all__ = ["EventReader", "Expected"]

_text = msgspec.json.Decoder(str | None).decode
_raws = msgspec.json.Decoder(list[Raw] | None).decode

_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_PIECES = (
    events.TextDelta,
    events.RefusalDelta,
    events.ReasoningTextDelta,
    events.SummaryTextDelta,
    events.ArgumentsDelta,
    events.CustomInputDelta,
)

#: Signs of life, which are the transport's business.
_SILENT = frozenset({"ping", "keepalive", "response.keepalive", "response.heartbeat"})

#: What of the upstream's response is not carried over to ours though ours has no such field: state that is kept here,
#: and what clients work out themselves.
_NOT_OURS = frozenset({"conversation", "prompt", "output_text", "next_response_ids"})


class Expected(Struct, frozen=True):
    """What is known of the answer before it comes.

    Attributes:
        names: the tools whose calls must be translated back, where the upstream knows functions only.
        hidden_limit: the limit of output, where the upstream does not say that it was reached.
        thoughts: the upstream wants the text of thoughts back, and the client keeps what is sealed.
    """

    names: ToolNames | None = None
    hidden_limit: int | None = None
    thoughts: bool = False


class _Known:
    """An item of the upstream's."""

    __slots__ = ("announced", "done", "key", "type")

    def __init__(self, key: Key, kind: str) -> None:
        self.key = key
        self.type = kind
        self.announced = False
        self.done = False

    def may_be(self, kind: str) -> bool:
        """Whether it may be of that type: an item that was never announced may be of any."""
        return not kind or not self.type or kind == self.type


class EventReader:
    """Reads the events of one answer.

    Attributes:
        ended: the upstream said that it has finished, in whatever way.
    """

    __slots__ = (
        "_by_id",
        "_by_index",
        "_calls",
        "_expected",
        "_halves",
        "_hot",
        "_hot_key",
        "_items",
        "_opened",
        "_target",
        "ended",
    )

    def __init__(self, expected: Expected, target: Target) -> None:
        self._expected = expected
        self._target = target
        self._calls = CallTranslator(expected.names) if expected.names is not None else None
        self._items: list[_Known] = []
        self._by_id: dict[str, _Known] = {}
        self._by_index: dict[int, _Known] = {}
        self._opened = False
        self._hot: tuple[str | None, int | None, int | None] | None = None
        self._hot_key: Key = None
        self._halves: Halves | None = None
        self.ended = False

    def expect_halves(self, stand_ins: int) -> None:
        """The next event came through `repair_surrogates`, with stand-ins from there on."""
        self._halves = self._halves or Halves()
        self._halves.stand_ins = stand_ins
        self._hot = None

    def text(self, frame: TextFrame) -> Text | None:
        """The short way, for text that goes on where the last event's text stood. `None` where it does not."""
        if (frame.item_id, frame.output_index, frame.content_index) != self._hot:
            return None
        padding = UNSET if frame.obfuscation is None else frame.obfuscation
        return Text(self._hot_key, frame.delta, frame.logprobs or (), padding)

    def event(self, fields: Fields, out: list[Delta]) -> None:
        """Any event."""
        kind = _string(fields, "type")
        if kind in _ENDS:
            self.end(read_fields(fields.get("response", Raw(b"{}"))), out, beside=fields, kind=kind)
        elif kind in _BEGINNINGS:
            self.open(read_fields(fields.get("response", Raw(b"{}"))), out)
        elif kind not in _SILENT:
            self._item_event(kind, fields, out=out)

    def open(self, response: Fields, out: list[Delta]) -> None:
        """The upstream accepted."""
        if self._opened or not response:
            return
        self._opened = True
        out.append(
            Opened(
                _string(response, "id") or None,
                _string(response, "model") or None,
                _string(response, "service_tier") or None,
            )
        )

    def end(self, response: Fields, out: list[Delta], *, beside: Fields, kind: str) -> None:
        """The finished response: what it holds beyond what was streamed, its usage and its outcome."""
        self.ended = True
        self.open(response, out)
        for index, raw in enumerate(_raws(response.get("output", NULL)) or ()):
            self._final_item(raw, index, out=out)
        usage, more = usage_seen(response.get("usage", NULL))
        if usage is not None:
            out.append(usage)
        status = _string(response, "status") or kind.removeprefix("response.")
        if status in ("failed", "cancelled") or response.get("error", NULL) != NULL:
            self._failed(response, status, out=out)
            return
        more = {**_beside(beside), **_more(response), **more}
        self._last(self._stopped(response, status, usage=usage, more=more), out)

    def _stopped(self, response: Fields, status: str, *, usage: UsageSeen | None, more: dict[str, Raw]) -> Stopped:
        reason: StopReason = "completed"
        native = status
        if status == "incomplete":
            details = response.get("incomplete_details", NULL)
            native = _string(read_fields(details), "reason") if details != NULL else status
            reason = "content_filter" if native == "content_filter" else "max_output_tokens"
        limit = self._expected.hidden_limit
        if reason == "completed" and limit is not None and usage is not None and (usage.output_tokens or 0) >= limit:
            reason = "max_output_tokens"
        return Stopped(reason, native, Raw(msgspec.json.encode(more)) if more else None)

    def _failed(self, response: Fields, status: str, *, out: list[Delta]) -> None:
        said = read_error(b'{"error":%b}' % bytes(response.get("error", NULL)))
        error = said or UpstreamError(f"status {status}", words="server_error")
        self._last(Broke(fault_of(error, None, target=self._target)), out)

    def _last(self, delta: Delta, out: list[Delta]) -> None:
        out += [delta] if self._calls is None else self._calls.end([delta])

    def _item_event(self, kind: str, fields: Fields, *, out: list[Delta]) -> None:
        event, place = read_event(kind, fields), place_of(fields)
        self._hot = None
        if isinstance(event, events.ItemAdded):
            self._added(event, Place(_name(event.item) or place.item_id, place.output_index), out=out)
        elif isinstance(event, events.ItemDone):
            item = event.item
            place = Place(_name(item) or place.item_id, place.output_index)
            known = self._find(place, kind=_type(item)) or self._new(place, item)
            self._done(known, item, raw=fields["item"], out=out)
        else:
            self._goes_on(event, place, out=out)

    def _goes_on(self, event: events.Event, place: Place, *, out: list[Delta]) -> None:
        """An event in the middle of an item. One of an unknown type may be about none."""
        known = self._find(place)
        if known is None:
            if isinstance(event, events.OpaqueEvent):
                out.append(Relayed(None, event))
                return
            known = self._new(place, None)
        if known.done:
            return
        known.announced = True
        if self._halves is not None:
            event = self._joined(event, known.key)
            self._halves.stand_ins = 0
        self._relay(known.key, event, out=out)
        if isinstance(event, events.TextDelta) and self._halves is None:
            self._hot = (place.item_id, place.output_index, None if event.content_index < 0 else event.content_index)
            self._hot_key = known.key

    def _joined(self, event: events.Event, key: Key) -> events.Event:
        """A piece of text with the halves of characters that were cut in two put together."""
        if self._halves is None or not isinstance(event, _PIECES):
            return event
        part = getattr(event, "content_index", None), getattr(event, "summary_index", None)
        return structs.replace(event, delta=self._halves.join((key, part), self._halves.native(event.delta)))

    def _added(self, event: events.ItemAdded, place: Place, *, out: list[Delta]) -> None:
        known = self._by_id.get(place.item_id) if place.item_id else None
        if known is not None and not known.done:
            return  # announced twice
        known = self._new(place, event.item)
        known.announced = True
        self._relay(known.key, event, out=out)

    def _done(self, known: _Known, item: OutputItem, *, raw: Raw, out: list[Delta]) -> None:
        if known.done:
            return
        known.done = True
        if not known.announced:
            known.announced = True
            self._relay(known.key, events.ItemAdded(0, 0, item), out=out)
        if isinstance(item, ReasoningItem):
            payload = write_thought(read_fields(raw))
            if payload is None and self._expected.thoughts:
                payload = write_clear(_thought_text(item))
            if payload is not None:
                out.append(Seal(known.key, payload))
        self._relay(known.key, events.ItemDone(0, 0, item), out=out)

    def _final_item(self, raw: Raw, index: int, *, out: list[Delta]) -> None:
        """An item of the finished response: the end of one that was streamed, unless it had one, or a whole one."""
        item = read_item(raw)
        place = Place(_name(item), index)
        known = self._find(place, kind=_type(item))
        if known is None and index < len(self._items) and self._items[index].may_be(_type(item)):
            known = self._items[index]
        self._done(known or self._new(place, item), item, raw=raw, out=out)

    def _find(self, place: Place, *, kind: str = "") -> _Known | None:
        """By its id, which some upstreams change from event to event; by its index; else the last one."""
        if place.item_id and place.item_id in self._by_id:
            return self._by_id[place.item_id]
        if place.output_index is not None:
            known = self._by_index.get(place.output_index)
            return known if known is not None and known.may_be(kind) else None
        if place.item_id or not self._items:
            return None
        last = self._items[-1]
        return last if last.may_be(kind) and not last.done else None

    def _new(self, place: Place, item: OutputItem | None) -> _Known:
        known = _Known(len(self._items), "" if item is None else _type(item))
        self._items.append(known)
        if place.item_id:
            self._by_id[place.item_id] = known
        if isinstance(item, FunctionCallItem | CustomCallItem) and item.call_id:
            self._by_id.setdefault(item.call_id, known)  # bare servers know a call by nothing else
        if place.output_index is not None:
            self._by_index[place.output_index] = known
        return known

    def _relay(self, key: Key, event: events.Event, *, out: list[Delta]) -> None:
        if self._calls is None:
            out.append(Relayed(key, event))
        else:
            out += self._calls.translate(key, event)


def _type(item: OutputItem) -> str:
    return str(type(item).__struct_config__.tag)


def _name(item: OutputItem) -> str:
    return item.id or (item.call_id if isinstance(item, FunctionCallItem | CustomCallItem) else "")


def _thought_text(item: ReasoningItem) -> str:
    parts = item.content if item.content is not UNSET and item.content else item.summary
    return "\n\n".join(text for part in parts if isinstance(text := getattr(part, "text", ""), str) and text)


def _string(fields: Fields, name: str) -> str:
    raw = fields.get(name)
    return "" if raw is None else _text(raw) or ""


def _more(response: Fields) -> dict[str, Raw]:
    """What the upstream's response has and ours does not."""
    ours = Response.__struct_fields__
    return {
        name: raw.copy() for name, raw in response.items() if name not in ours and name not in _NOT_OURS and raw != NULL
    }


def _beside(event: Fields) -> dict[str, Raw]:
    """What stands beside the response in its last event (llama.cpp's `timings`)."""
    known = ("type", "sequence_number", "response")
    return {name: raw.copy() for name, raw in event.items() if name not in known and raw != NULL}
