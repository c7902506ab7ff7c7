"""Every exchange of the corpus, replayed in every way: the same deltas, and a legal stream for the client."""

import random

import msgspec
import pytest

from tests.helpers.stream import check_stream
from tests.providers.corpus import expected, fault_json, lines, replay
from tests.providers.responses.corpus import CASES, CODEC, Case, client_stream

ANSWERS = [case for case in CASES if case.status().status == 200]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_answer = pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.name)
each_stream = pytest.mark.parametrize("case", [c for c in ANSWERS if c.is_stream], ids=lambda case: case.name)
each_error = pytest.mark.parametrize(
    "case", [case for case in CASES if case.status().status != 200], ids=lambda case: case.name
)

#: The official types do not have items and events of every kind that a provider may send.
_BEYOND_THE_TYPES = frozenset({"unknown-items"})


def test_every_case_says_where_it_comes_from() -> None:
    assert len(CASES) >= 28
    assert all((case.folder / "source").read_text().strip() for case in CASES)


@each
def test_the_upstream_request_is_as_expected(case: Case) -> None:
    encoded = CODEC.encode(case.request(), case.target(), media={})
    assert encoded.url.endswith("/responses")
    pretty = msgspec.json.format(encoded.body, indent=1) + b"\n"
    assert pretty == expected(case.folder / "upstream-request.json", pretty)
    assert encoded.stream == case.request().stream


@each_answer
def test_a_whole_answer_gives_the_expected_deltas(case: Case) -> None:
    found = lines(replay(case.decoder(), [case.body()]))
    wanted = expected(case.folder / "deltas.jsonl", b"".join(line + b"\n" for line in found))
    assert found == wanted.splitlines()


@each_answer
def test_an_answer_byte_by_byte_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    pieces = [body[place : place + 1] for place in range(len(body))]
    assert lines(replay(case.decoder(), pieces)) == lines(replay(case.decoder(), [body]))


@each_answer
def test_an_answer_split_at_random_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    whole = lines(replay(case.decoder(), [body]))
    dice = random.Random(case.name)
    for _ in range(10):
        cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.randrange(1, 12)))
        pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert lines(replay(case.decoder(), pieces)) == whole


@each_stream
@pytest.mark.parametrize("ending", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_line_endings_and_comments_change_nothing(case: Case, ending: bytes) -> None:
    body = case.body()
    changed = (b"\xef\xbb\xbf: hello\n\n\n" + body).replace(b"\n", ending)
    assert lines(replay(case.decoder(), [changed])) == lines(replay(case.decoder(), [body]))


@each_answer
def test_the_deltas_make_a_legal_stream(case: Case) -> None:
    stream = client_stream(replay(case.decoder(), [case.body()]))
    if case.name not in _BEYOND_THE_TYPES:
        check_stream(stream, usage_optional=True)
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    done = {event["output_index"]: event["item"] for event in stream if event["type"] == "response.output_item.done"}
    assert stream[-1]["response"]["output"] == [done[index] for index in sorted(done)]


@each_answer
def test_no_id_and_no_sealed_thought_of_the_upstream_reaches_the_client(case: Case) -> None:
    text = msgspec.json.encode(client_stream(replay(case.decoder(), [case.body()])))
    assert b"native" not in text.replace(b"call_native", b"")
    assert b"gAAAA" not in text


@each_error
def test_an_error_is_explained_as_expected(case: Case) -> None:
    answer = case.status()
    fault = CODEC.fault(answer.status, answer.headers, body=case.body(), target=case.target())
    found = msgspec.json.format(msgspec.json.encode(fault_json(fault)), indent=1) + b"\n"
    assert found == expected(case.folder / "fault.json", found)
    assert "sk-corpus" not in fault.message
