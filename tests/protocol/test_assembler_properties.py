"""Whatever deltas come, in whatever order, cut anywhere, with any outcome: the stream is legal."""

import os

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from antiphon.dialects.responses import encode_response
from antiphon.protocol import deltas
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import OutputDelta
from antiphon.protocol.events import TERMINAL, Event
from antiphon.protocol.faults import LimitFault, RequestFault, ServerFault, UpstreamFault
from antiphon.protocol.reading import decode_response
from antiphon.protocol.reducer import reduce
from antiphon.protocol.replay import replay
from antiphon.protocol.response import FunctionCallItem, OutputItem, Response
from antiphon.protocol.usage import InputDetails, OutputDetails, Usage
from tests.helpers.requests import make_assembler, wire
from tests.helpers.stream import check_response, check_stream

LOGPROB = Raw(b'{"token":"a","bytes":[97],"logprob":-0.5,"top_logprobs":[]}')
CITATION = Raw(b'{"type":"url_citation","url":"https://example.org","title":"t","start_index":0,"end_index":1}')

KEYS = st.sampled_from([0, 1, "a", ("tool", 0)])
WORDS = st.one_of(
    st.sampled_from(["", " ", "Hello", "\x00", "\u2028", "😀", '{"a":1}', "\n\n", "data: [DONE]\n\n"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
OUTPUT_DELTAS = st.one_of(
    st.builds(deltas.Text, KEYS, WORDS, st.sampled_from([(), (LOGPROB,), (LOGPROB, LOGPROB)])),
    st.builds(deltas.Refusal, KEYS, WORDS),
    st.builds(deltas.Annotation, KEYS, st.just(CITATION)),
    st.builds(deltas.Reasoning, KEYS, WORDS, st.integers(0, 2), st.sampled_from(["summary", "raw"])),
    st.builds(
        deltas.CallOpened, KEYS, st.sampled_from(["", "call_1", "call_2"]), st.sampled_from(["f", "get_weather"])
    ),
    st.builds(deltas.CallArguments, KEYS, WORDS),
    st.builds(deltas.Seal, KEYS, st.sampled_from([b"", b"signature"])),
    st.builds(deltas.Closed, KEYS),
)
USAGES = st.builds(
    Usage,
    st.just(30),
    st.just(12),
    st.just(42),
    st.builds(InputDetails, st.integers(0, 30), st.integers(0, 30)),
    st.builds(OutputDetails, st.integers(0, 12)),
    st.sampled_from([msgspec.UNSET, True]),
)
FAULTS = st.sampled_from(
    [
        UpstreamFault("The upstream stalled.", code="upstream_stall"),
        UpstreamFault("Too many requests.", code="rate_limit_exceeded", status=429),
        LimitFault("No credit left.", code="insufficient_quota", status=402),
        RequestFault("Too long.", code="context_length_exceeded"),
        RequestFault("No."),
        ServerFault("The gateway is shutting down.", code="shutting_down", status=503),
    ]
)
# What does not belong to a status (a fault on a completed run, say) must not show.
REASONS = st.sampled_from(["max_output_tokens", "content_filter"])
TIMES = st.integers(1_764_000_000, 1_764_000_100)
OUTCOMES = st.one_of(
    st.builds(Outcome, st.just("completed"), USAGES, st.none() | REASONS, st.none() | FAULTS, TIMES, st.none()),
    st.builds(Outcome, st.just("incomplete"), USAGES, REASONS, st.none() | FAULTS, TIMES, st.just("flex")),
    st.builds(Outcome, st.just("failed"), st.none() | USAGES, st.none() | REASONS, FAULTS, TIMES),
    st.builds(Outcome, st.just("cancelled"), st.none() | USAGES, st.none() | REASONS, st.none() | FAULTS, TIMES),
)
#: Generated sequences cost a hundred times a mutated body: 300 of them normally, 5,000 in the long tier.
RUNS = settings(max_examples=min(int(os.environ.get("ANTIPHON_FUZZ_N", "6000")) // 20, 5000), deadline=None)


def assemble(chunks: list[list[OutputDelta]], outcome: Outcome, *, sealed: bool = False) -> list[Event]:
    assembler = make_assembler(seal=bytes.hex if sealed else None)
    stream = assembler.open()
    for chunk in chunks:
        stream += assembler.feed(chunk)
    closing, terminal = assembler.finish(outcome)
    return [*stream, *closing, terminal]


@RUNS
@given(chunks=st.lists(st.lists(OUTPUT_DELTAS, max_size=5), max_size=8), outcome=OUTCOMES, sealed=st.booleans())
def test_any_deltas_in_any_order_give_a_legal_stream(
    chunks: list[list[OutputDelta]], outcome: Outcome, *, sealed: bool
) -> None:
    checked = check_stream(wire(assemble(chunks, outcome, sealed=sealed)))
    check_response(checked.response)
    assert checked.response["status"] == outcome.status


@RUNS
@given(st.lists(OUTPUT_DELTAS, max_size=30), OUTCOMES)
def test_reduce_roundtrip(seen: list[OutputDelta], outcome: Outcome) -> None:
    stream = assemble([seen], outcome)
    assert reduce(stream) == ended(stream)


@RUNS
@given(st.lists(OUTPUT_DELTAS, max_size=15), st.lists(OUTPUT_DELTAS, max_size=15))
def test_how_deltas_are_grouped_changes_nothing(before: list[OutputDelta], after: list[OutputDelta]) -> None:
    whole = assemble([[*before, *after]], Outcome("cancelled"))
    assert assemble([before, [], after], Outcome("cancelled")) == whole
    assert assemble([[delta] for delta in (*before, *after)], Outcome("cancelled")) == whole


@RUNS
@given(st.lists(OUTPUT_DELTAS, max_size=30), OUTCOMES)
def test_snapshot_is_the_final_response_but_for_statuses(seen: list[OutputDelta], outcome: Outcome) -> None:
    assembler = make_assembler()
    assembler.open()
    assembler.feed(seen)
    snapshot = assembler.snapshot()
    _closing, terminal = assembler.finish(outcome)
    assert [without_status(item) for item in snapshot.output] == [
        without_status(item) for item in terminal.response.output
    ]


@RUNS
@given(st.lists(OUTPUT_DELTAS, max_size=30), OUTCOMES)
def test_stored_response_replays_as_a_legal_stream(seen: list[OutputDelta], outcome: Outcome) -> None:
    response = ended(assemble([seen], outcome))
    stored = decode_response(encode_response(response))
    assert stored == response
    stream = replay(stored)
    assert ended(stream) == response
    assert reduce(stream) == response
    check_stream(wire(stream))


def ended(stream: list[Event]) -> Response:
    terminal = stream[-1]
    assert isinstance(terminal, TERMINAL)
    return terminal.response


def without_status(item: OutputItem) -> OutputItem:
    if isinstance(item, FunctionCallItem) and item.arguments == "{}":
        item = structs.replace(item, arguments="")  # a complete call without arguments gets them when it is closed
    return structs.replace(item, status="completed")
