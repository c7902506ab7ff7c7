"""Every exchange of the corpus, replayed in every way: the same deltas, and a legal stream for the client."""

import random
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest

from antiphon.providers.registry import effective
from tests.helpers.stream import check_stream
from tests.providers.corpus import (
    CASES,
    CODECS,
    Case,
    cut_at_random,
    cut_evenly,
    expected,
    fault_json,
    lines,
)
from tests.providers.told import told_json


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(cases), ids=lambda case: case.name)


ALL = each(CASES)
ANSWERED = [case for case in CASES if case.answer().status == 200]
STREAMED = [case for case in ANSWERED if case.is_stream]
ANSWERS = each(ANSWERED)
STREAMS = each(STREAMED)
ERRORS = each(case for case in CASES if case.answer().status != 200)
SPLITS = 20
PATHS = {
    "anthropic": ("/messages",),
    "chat": ("/chat/completions",),
    "gemini": (":generateContent", ":streamGenerateContent?alt=sse"),
    "responses": ("/responses",),
}
#: How many there are of each protocol: none may get lost.
AT_LEAST = {"anthropic": 46, "chat": 138, "gemini": 69, "responses": 30}
#: The official types do not have items and events of every kind that a provider may send.
BEYOND_THE_TYPES = frozenset({"responses/openai/unknown-items"})
NAMED = (
    "openai", "azure", "deepseek", "mistral", "qwen", "zhipu", "moonshot", "xai", "groq", "openrouter", "vllm", "sglang",
    "ollama", "llamacpp", "together", "fireworks", "cerebras", "nvidia",
)  # fmt: skip


def test_the_corpus_is_as_large_as_promised() -> None:
    found = Counter(case.protocol for case in CASES)
    assert set(found) == set(CODECS)
    assert {name: count for name, count in AT_LEAST.items() if found[name] < count} == {}
    assert len({case.provider for case in CASES}) >= 12


@ALL
def test_every_case_stands_where_it_belongs_and_says_where_it_comes_from(case: Case) -> None:
    assert case.request().model.startswith(f"{case.provider}/")
    assert (case.folder / "source").read_text().strip()


@pytest.mark.parametrize("provider", NAMED)
def test_every_named_provider_has_a_text_calls_an_error_and_a_tool_turn(provider: str) -> None:
    cases = [case for case in CASES if (case.protocol, case.provider) == ("chat", provider)]
    answers = "".join(path.read_text() for case in cases if (path := case.folder / "deltas.jsonl").exists())
    assert '"delta":"Text"' in answers
    assert '"delta":"CallOpened"' in answers
    assert any((case.folder / "fault.json").exists() for case in cases)
    asked = "".join((case.folder / "upstream-request.json").read_text() for case in cases)
    facts = [effective(provider, case.target().model) for case in cases]
    fields = {entry.reasoning_replay.removesuffix("_details") for entry in facts}  # a copy, where the details are lost
    assert all(f'"{field}"' in asked for field in fields & {"reasoning_content", "reasoning"})
    assert provider in ("openai", "azure") or '"role": "tool"' in asked


@ALL
def test_the_upstream_request_is_as_expected(case: Case) -> None:
    encoded = case.encoded()
    pretty = msgspec.json.format(encoded.body, indent=1) + b"\n"
    assert pretty == expected(case.folder / "upstream-request.json", pretty)
    assert case.encoded() == encoded
    only_streams = effective(case.target().quirks, case.target().model).stream == "always"
    assert encoded.stream == (case.request().stream or only_streams)
    assert encoded.url.partition("?api-version")[0].endswith(PATHS[case.protocol])


@ANSWERS
def test_a_whole_answer_gives_the_expected_deltas(case: Case) -> None:
    found = lines(case.said(case.body()))
    wanted = expected(case.folder / "deltas.jsonl", b"".join(line + b"\n" for line in found))
    assert found == wanted.splitlines()


@ANSWERS
def test_an_answer_byte_by_byte_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    assert lines(case.said(*cut_evenly(body, 1))) == lines(case.said(body))


@ANSWERS
def test_an_answer_split_at_random_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    whole = lines(case.said(body))
    dice = random.Random(case.name)
    for _ in range(SPLITS):
        assert lines(case.said(*cut_at_random(body, dice))) == whole


@STREAMS
@pytest.mark.parametrize("ending", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize(
    "head",
    [b"", b"\xef\xbb\xbf", b": hello\n\n\n", b"\xef\xbb\xbf: hello\n\n"],
    ids=["plain", "BOM", "comment", "BOM and comment"],
)
def test_line_endings_and_comments_change_nothing(case: Case, ending: bytes, head: bytes) -> None:
    changed = (head + case.body()).replace(b"\n", ending)
    whole = lines(case.said(case.body()))
    assert lines(case.said(changed)) == whole
    assert lines(case.said(*cut_evenly(changed, 7))) == whole


@each(case for case in STREAMED if case.protocol in ("anthropic", "responses"))
def test_a_stream_without_event_lines_gives_the_same_deltas(case: Case) -> None:
    """Some servers leave them out: the type stands in the data as well."""
    kept = [line for line in case.body().split(b"\n") if not line.startswith(b"event:")]
    assert lines(case.said(b"\n".join(kept))) == lines(case.said(case.body()))


@each(case for case in STREAMED if case.protocol == "gemini")
def test_a_stream_as_a_json_array_gives_the_same_deltas(case: Case) -> None:
    """What comes where `alt=sse` got lost on the way."""
    frames = [line.removeprefix(b"data: ") for line in case.body().splitlines() if line.startswith(b"data: {")]
    body = b"[" + b"\n,\r\n".join(frames) + b"]\n"
    wanted = lines(case.said(case.body()))
    assert lines(case.said(body)) == wanted
    assert lines(case.said(*cut_evenly(body, 5))) == wanted


@ANSWERS
def test_the_deltas_make_a_legal_stream(case: Case) -> None:
    stream = told_json(case.said(case.body()))
    if case.name not in BEYOND_THE_TYPES:
        check_stream(stream, usage_optional=True)
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    done = {event["output_index"]: event["item"] for event in stream if event["type"] == "response.output_item.done"}
    assert stream[-1]["response"]["output"] == [done[index] for index in sorted(done)]


@each(case for case in STREAMED if case.name not in BEYOND_THE_TYPES)
def test_a_stream_cut_anywhere_makes_a_legal_stream(case: Case) -> None:
    body = case.body()
    for place in range(0, len(body), 37):
        check_stream(told_json(case.said(body[:place])), usage_optional=True)


@each(case for case in ANSWERED if case.protocol == "responses")
def test_no_id_and_no_sealed_thought_of_the_upstream_reaches_the_client(case: Case) -> None:
    text = msgspec.json.encode(told_json(case.said(case.body())))
    assert b"native" not in text.replace(b"call_native", b"")
    assert b"gAAAA" not in text


@ERRORS
def test_an_error_is_explained_as_expected(case: Case) -> None:
    fault = case.fault()
    found = msgspec.json.format(msgspec.json.encode(fault_json(fault)), indent=1) + b"\n"
    assert found == expected(case.folder / "fault.json", found)
    assert "sk-corpus" not in fault.message
