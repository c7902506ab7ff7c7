"""Custom calls, searches by the upstream, and what a provider wants back: each in a whole, legal stream."""

from msgspec import Raw

from antiphon.protocol import deltas
from antiphon.protocol.assembler import Assembler, Outcome
from antiphon.protocol.carried import carried
from antiphon.protocol.echo import begin_response
from antiphon.protocol.ids import ResponseId
from antiphon.protocol.request import Request
from antiphon.protocol.usage import Usage
from tests.helpers.requests import wire
from tests.helpers.stream import Checked, check_stream

OWNER = ResponseId(bytes(range(16)))
ACTION = Raw(b'{"type":"search","query":"bees","queries":["bees"]}')


def assembler(*, sealed: bool = False, messages: bool = False) -> Assembler:
    base = begin_response(Request("m", ()), OWNER, created_at=1)
    seal = (lambda payload: "sealed:" + payload.decode()) if sealed else None
    return Assembler(base, owner=OWNER, new_call_id=lambda: "call_new", seal=seal, seals_messages=messages)


def streamed(made: Assembler, *stream: deltas.OutputDelta, status: str = "completed") -> Checked:
    events = [*made.open(), *made.feed(stream)]
    outcome = Outcome("completed", Usage(1, 1, 2), completed_at=2)
    if status == "incomplete":
        outcome = Outcome("incomplete", Usage(1, 1, 2), reason="max_output_tokens")
    closing, terminal = made.finish(outcome)
    return check_stream(wire([*events, *closing, terminal]))


def test_a_custom_call_streams_its_input_as_plain_text() -> None:
    opened = deltas.CallOpened("c", "call_1", "apply_patch", kind="custom", namespace="files")
    pieces = [deltas.CallArguments("c", text) for text in ('*** "Begin"\n', "\u00e9\\n")]
    stream = streamed(assembler(), opened, *pieces, deltas.Closed("c"))
    [item] = stream.items
    assert item["type"] == "custom_tool_call"
    assert item["input"] == '*** "Begin"\n\u00e9\\n'
    assert item["namespace"] == "files"
    assert item["id"].startswith("ctc_")


def test_a_custom_call_that_was_cut_is_incomplete_and_an_empty_one_is_not_filled() -> None:
    opened = deltas.CallOpened("c", "call_1", "note", kind="custom")
    cut = streamed(assembler(), opened, deltas.CallArguments("c", "half"), status="incomplete")
    assert cut.items[0]["status"] == "incomplete"
    empty = streamed(assembler(), opened, deltas.Closed("c"))
    assert empty.items[0]["input"] == ""


def test_a_search_has_its_whole_life_cycle_and_fails_when_it_is_cut() -> None:
    found = streamed(assembler(), deltas.SearchOpened("s"), deltas.SearchDone("s", ACTION), deltas.Text("t", "Bees."))
    assert [item["type"] for item in found.items] == ["web_search_call", "message"]
    assert found.items[0]["status"] == "completed"
    assert found.items[0]["action"]["query"] == "bees"
    assert "response.web_search_call.completed" in found.types
    failed = streamed(assembler(), deltas.SearchDone("s", ACTION, failed=True))
    assert failed.items[0]["status"] == "failed"
    cut = streamed(assembler(), deltas.SearchOpened("s"), status="incomplete")
    assert cut.items[0]["status"] == "failed"
    assert "response.web_search_call.completed" not in cut.types


def test_what_a_provider_wants_back_is_kept_for_each_item_and_shown_only_sealed() -> None:
    stream = (
        deltas.Reasoning("r", "hm"),
        deltas.Seal("r", b"old"),
        deltas.Seal("r", b"sig"),
        deltas.Seal("redacted", b"secret"),
        deltas.CallOpened("c", "call_1", "f"),
        deltas.Seal("c", b"of the call"),
    )
    hidden = assembler()
    items = streamed(hidden, *stream).items
    assert [item["type"] for item in items] == ["reasoning", "reasoning", "function_call"]
    assert not any("encrypted_content" in item for item in items)
    assert list(hidden.states.values()) == [b"sig", b"secret", b"of the call"]
    assert list(hidden.states) == [item["id"] for item in items]
    shown = streamed(assembler(sealed=True), *stream).items
    assert [item.get("encrypted_content") for item in shown] == ["sealed:sig", "sealed:secret", None]


def test_thought_without_anything_to_keep_is_sealed_as_well_so_that_it_can_find_home() -> None:
    [item] = streamed(assembler(sealed=True), deltas.Reasoning("r", "hm")).items
    assert item["encrypted_content"] == "sealed:"


def test_what_belongs_to_a_message_is_shown_in_a_thought_behind_it() -> None:
    stream = (
        deltas.Text("t", "First."),
        deltas.Seal("t", b"sig"),
        deltas.CallOpened("c", "call_1", "f"),
        deltas.Text("u", "Unsigned."),
        deltas.Text("v", "Last."),
        deltas.Seal("v", b"end"),
    )
    made = assembler(sealed=True, messages=True)
    items = streamed(made, *stream).items
    assert [item["type"] for item in items] == [
        "message", "reasoning", "function_call", "message", "message", "reasoning"
    ]  # fmt: skip
    shown = [item["encrypted_content"].encode() for item in items if item["type"] == "reasoning"]
    assert [carried(blob.removeprefix(b"sealed:")) for blob in shown] == [b"sig", b"end"]
    assert not items[1]["summary"]
    assert [made.states[items[place]["id"]] for place in (0, 4)] == [b"sig", b"end"]
    for unasked in (assembler(messages=True), assembler(sealed=True)):
        items = streamed(unasked, *stream).items
        assert [item["type"] for item in items] == ["message", "function_call", "message", "message"]


def test_a_message_that_was_cut_shows_what_belongs_to_it_too() -> None:
    cut = streamed(
        assembler(sealed=True, messages=True), deltas.Text("t", "Fir"), deltas.Seal("t", b"sig"), status="incomplete"
    )
    assert [(item["type"], item["status"]) for item in cut.items] == [
        ("message", "incomplete"), ("reasoning", "completed")
    ]  # fmt: skip
