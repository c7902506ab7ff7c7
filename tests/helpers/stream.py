"""The one validator for streams and resources: whatever test gets hold of a stream hands it to `check_stream`.

It knows nothing of how streams are made. Every event must be valid for the newest OpenAI SDK's own types, strictly;
every resource must have the strict shape (`tests.helpers.shape`); and the sequence must obey the life cycle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import msgspec
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, ValidationError

from tests.helpers.shape import check_item_shape, check_shape

Json = dict[str, Any]

#: Error codes that clients know although the SDK's enum does not have them: the one named exception.
_CODES_BESIDE_THE_SDK = ("context_length_exceeded", "insufficient_quota")

_TERMINAL = {
    "response.completed": ("completed",),
    "response.incomplete": ("incomplete", "cancelled"),  # a cancelled run has no terminal event of its own
    "response.failed": ("failed",),
}
#: What the end of a run may change in the resource; all else is the same in every snapshot.
_OUTCOME = {"status", "completed_at", "error", "incomplete_details", "output", "usage", "service_tier", "store"}


@dataclass(frozen=True)
class Checked:
    """A stream that was found good.

    Attributes:
        response: the terminal event's resource.
        items: its output items.
        text: all text of its messages, joined.
        done: whether the stream ended with the `[DONE]` marker.
    """

    events: list[Json]
    response: Json
    done: bool = False

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def items(self) -> list[Json]:
        return list(self.response["output"])

    @property
    def text(self) -> str:
        return output_text(self.response)


def check_stream(stream: Sequence[Json] | bytes, *, usage_optional: bool = False) -> Checked:
    """Raise AssertionError unless this is one whole legal stream: SSE bytes, or the events' JSON."""
    events, done = _parse_sse(stream) if isinstance(stream, bytes) else (list(stream), False)
    assert events, "the stream holds no event"
    for event in events:
        _check_event(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events))), "sequence_number is not 0..n"
    body = _check_envelope(events)
    items: list[_Item] = []
    for event in body:
        _apply(items, event)
    final: Json = events[-1]["response"]
    for item in items:
        assert item.closed, f"item {item.index} was never done"
    assert final["output"] == [item.final for item in items], "the final output differs from the items that were sent"
    _check_outcome(final, usage_optional=usage_optional)
    return Checked(events, final, done)


def check_response(response: Json, *, usage_optional: bool = False) -> Json:
    """Raise AssertionError unless this is a resource: strict in shape, valid for the SDK, consistent in itself."""
    _validate(Response, response, path="response")
    check_shape(response)
    ids = [item["id"] for item in response["output"]]
    assert len(ids) == len(set(ids)), "item ids repeat"
    if response["status"] in ("queued", "in_progress"):
        _check_running(response)
    else:
        _check_outcome(response, usage_optional=usage_optional)
    return response


def output_text(response: Json) -> str:
    """What the SDKs show as `output_text`."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def _parse_sse(stream: bytes) -> tuple[list[Json], bool]:
    assert b"\r" not in stream, "lines end in LF alone"
    assert stream.endswith(b"\n\n"), "the last event is not ended by a blank line"
    events: list[Json] = []
    done = False
    for block in stream[:-2].split(b"\n\n"):
        lines = [line for line in block.split(b"\n") if not line.startswith(b":")]
        if not lines:
            continue
        assert not done, "something follows [DONE]"
        if lines == [b"data: [DONE]"]:
            done = True
            continue
        assert len(lines) == 2, f"an event is one event line and one data line, not {lines!r:.200}"
        name, text = lines
        assert name.startswith(b"event: "), f"no event line: {name!r:.200}"
        assert text.startswith(b"data: "), f"no data line: {text!r:.200}"
        event = msgspec.json.decode(text[6:])
        assert isinstance(event, dict), f"not an object: {text!r:.200}"
        assert event.get("type") == name[7:].decode(), f"event line {name!r} but type {event.get('type')!r}"
        events.append(event)
    return events, done


@cache
def _sdk_models() -> Mapping[str, type[BaseModel]]:
    models = get_args(get_args(ResponseStreamEvent)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


def _check_event(event: Json) -> None:
    assert "type" in event, f"no type: {event!r:.200}"
    assert event["type"] != "error", "an HTTP stream has no error event: response.failed says it"
    model = _sdk_models().get(event["type"])
    assert model is not None, f"the SDK knows no event {event['type']!r}"
    _validate(model, event, path=event["type"])
    if "response" in event:
        check_shape(event["response"])
    if "item" in event:
        check_item_shape(event["item"])


def _validate(model: type[BaseModel], value: Json, *, path: str) -> None:
    try:
        model.model_validate(_with_known_code(value), strict=True)
    except ValidationError as error:
        raise AssertionError(f"{path} is not valid for the SDK: {error}") from error


def _with_known_code(value: Json) -> Json:
    response = value.get("response")
    if isinstance(response, dict):
        return {**value, "response": _with_known_code(response)}
    error = value.get("error")
    if isinstance(error, dict) and error.get("code") in _CODES_BESIDE_THE_SDK:
        return {**value, "error": {**error, "code": "server_error"}}
    return value


def _check_envelope(events: list[Json]) -> list[Json]:
    """The lifecycle events around the items; returns what lies between them."""
    types = [event["type"] for event in events]
    assert types[0] == "response.created", f"the first event is {types[0]}"
    begins = 3 if types[1:2] == ["response.queued"] else 2
    assert types[begins - 1 : begins] == ["response.in_progress"], f"no in_progress after created: {types[:4]}"
    assert types[-1] in _TERMINAL, f"the last event is {types[-1]}, not a terminal one"
    body = events[begins:-1]
    assert not any("response" in event for event in body), "a lifecycle event stands between the items"
    snapshots = [event["response"] for event in (*events[:begins], events[-1])]
    for snapshot in snapshots[:-1]:
        assert snapshot["status"] in ("queued", "in_progress"), f"begins with status {snapshot['status']}"
        assert snapshot["output"] == [], "the first snapshots have no output yet"
        _check_running(snapshot)
    assert snapshots[-1]["status"] in _TERMINAL[types[-1]], f"{types[-1]} with status {snapshots[-1]['status']}"
    constant = [{key: value for key, value in shot.items() if key not in _OUTCOME} for shot in snapshots]
    for shot in constant[1:]:  # the end may say more: what only the upstream knows
        same = {key: shot.get(key) for key in constant[0]}
        assert same == constant[0], "a constant field of the resource changed between snapshots"
    return body


def _check_running(response: Json) -> None:
    for key in ("usage", "error", "incomplete_details", "completed_at"):
        assert response[key] is None, f"{key} is set before the end"


def _check_outcome(response: Json, *, usage_optional: bool) -> None:
    status = response["status"]
    assert (response["incomplete_details"] is not None) == (status == "incomplete"), "incomplete_details iff incomplete"
    assert (response["error"] is not None) == (status == "failed"), "error iff failed"
    assert (response["completed_at"] is not None) == (status == "completed"), "completed_at iff completed"
    for item in response["output"]:
        assert item.get("status") != "in_progress", f"item {item['id']} is still open"
        if status == "completed":
            allowed = ("completed", "failed") if item["type"] == "web_search_call" else ("completed",)
            assert item.get("status", "completed") in allowed, f"item {item['id']} is not completed"
    usage = response["usage"]
    if usage is None:
        assert usage_optional or status in ("failed", "cancelled"), "no usage"
        return
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"], "usage does not add up"
    assert usage["input_tokens_details"]["cached_tokens"] <= usage["input_tokens"], "more cached than input tokens"
    assert usage["output_tokens_details"]["reasoning_tokens"] <= usage["output_tokens"], "more thought than output"


@dataclass
class _Piece:
    """One part of an item while it is written: text, refusal, thought, summary or arguments."""

    kind: str
    deltas: str = ""
    logprobs: list[Any] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)
    value: str | None = None  # what its own done event said
    part: Json | None = None  # what content_part.done said


@dataclass
class _Item:
    index: int
    announced: Json
    content: list[_Piece] = field(default_factory=list)
    summary: list[_Piece] = field(default_factory=list)
    call: _Piece | None = None
    final: Json | None = None

    @property
    def closed(self) -> bool:
        return self.final is not None


#: Delta and done events: where the piece lives, what kind it is, the key of the whole value in the done event.
_TEXTS = {
    "response.output_text": ("content", "output_text", "text"),
    "response.refusal": ("content", "refusal", "refusal"),
    "response.reasoning_text": ("content", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary", "summary_text", "text"),
    "response.function_call_arguments": ("call", "function_call", "arguments"),
    "response.custom_tool_call_input": ("call", "custom_tool_call", "input"),
}
_PARTS = {"response.content_part": "content", "response.reasoning_summary_part": "summary"}


def _apply(items: list[_Item], event: Json) -> None:
    stem, _, verb = event["type"].rpartition(".")
    if event["type"] == "response.output_item.added":
        return _announce(items, event)
    index = event["output_index"]
    assert 0 <= index < len(items), f"{event['type']} for item {index}, which was not announced"
    item = items[index]
    assert not item.closed, f"{event['type']} after item {index} was done"
    if event["type"] == "response.output_item.done":
        return _close(item, event["item"])
    assert event.get("item_id") == item.announced["id"], f"{event['type']} names another item id"
    if stem in _PARTS:
        return _part(item, event, verb=verb)
    if stem in _TEXTS:
        return _write(item, event, verb=verb)
    if event["type"] == "response.output_text.annotation.added":
        piece = _open_piece(item, event, where="content", kind="output_text")
        assert event["annotation_index"] == len(piece.annotations), "annotation_index has a gap"
        piece.annotations.append(event["annotation"])
    return None


def _announce(items: list[_Item], event: Json) -> None:
    item = event["item"]
    assert event["output_index"] == len(items), f"output_index {event['output_index']} of item {len(items)}"
    assert item["id"], "an item without id"
    assert item["id"] not in [known.announced["id"] for known in items], f"item id {item['id']} repeats"
    assert item.get("status", "in_progress") == "in_progress", "an item begins in_progress"
    for key in ("content", "summary", "arguments", "input"):
        assert not item.get(key), f"an announced item has an empty {key}"
    items.append(_Item(len(items), item))


def _part(item: _Item, event: Json, *, verb: str) -> None:
    where = _PARTS[event["type"].rpartition(".")[0]]
    pieces: list[_Piece] = getattr(item, where)
    number, part = event[f"{where}_index"], event["part"]
    if verb == "added":
        assert number == len(pieces), f"{where}_index {number} for part {len(pieces)}"
        assert all(piece.part is not None for piece in pieces), "a part opens while another is open"
        assert not any(part.get(key) for key in ("text", "refusal", "annotations", "logprobs")), "a part begins empty"
        pieces.append(_Piece(part["type"]))
        return
    piece = _open_piece(item, event, where=where, kind=part["type"])
    assert piece.value is not None, "content_part.done before the part's own done event"
    assert part.get("text", part.get("refusal")) == piece.value, "the finished part differs from its deltas"
    if part["type"] == "output_text":
        assert part.get("annotations", []) == piece.annotations, "annotations differ from those that were added"
        assert part.get("logprobs", []) == piece.logprobs, "logprobs differ from those of the deltas"
    piece.part = part


def _write(item: _Item, event: Json, *, verb: str) -> None:
    where, kind, key = _TEXTS[event["type"].rpartition(".")[0]]
    if where == "call":
        assert item.announced["type"] == kind, f"{event['type']} for an item of type {item.announced['type']}"
        item.call = piece = item.call or _Piece(kind)
    else:
        piece = _open_piece(item, event, where=where, kind=kind)
    assert piece.value is None, f"{event['type']} after the done event"
    if verb == "delta":
        piece.deltas += event["delta"]
        piece.logprobs += event.get("logprobs") or []
        return
    piece.value = event[key]
    assert piece.value == piece.deltas, f"{event['type']} differs from its deltas: {piece.value!r:.200}"
    assert (event.get("logprobs") or []) == piece.logprobs, "logprobs differ from those of the deltas"
    if kind == "function_call":
        assert event["name"] == item.announced["name"], "the call's name changed"


def _open_piece(item: _Item, event: Json, *, where: str, kind: str) -> _Piece:
    pieces: list[_Piece] = getattr(item, where)
    number = event[f"{where}_index"]
    assert 0 <= number < len(pieces), f"{event['type']} for part {number}, which was not added"
    piece = pieces[number]
    assert piece.part is None, f"{event['type']} after part {number} was done"
    assert piece.kind == kind, f"{event['type']} for a part of type {piece.kind}"
    return piece


def _close(item: _Item, final: Json) -> None:
    for key in ("type", "id", "call_id", "name", "role"):
        assert final.get(key) == item.announced.get(key), f"the item's {key} changed"
    assert final.get("status", "completed") != "in_progress", "an item is done but in_progress"
    for where in ("content", "summary"):
        pieces: list[_Piece] = getattr(item, where)
        assert all(piece.part is not None for piece in pieces), f"an item is done with an open {where} part"
        parts = [piece.part for piece in pieces]
        assert final.get(where, []) == parts, f"the finished item's {where} differs from its parts"
    if final["type"] in ("function_call", "custom_tool_call"):
        assert item.call is not None, "a call is done without its arguments"
        assert item.call.value is not None, "a call is done without the done event of its arguments"
        key = "arguments" if final["type"] == "function_call" else "input"
        assert final[key] == item.call.value, "the finished call's arguments differ from its deltas"
    item.final = final
