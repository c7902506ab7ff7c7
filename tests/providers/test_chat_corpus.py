"""Every exchange of the corpus, replayed in every way: the same deltas, and a legal stream for the client."""

import random

import msgspec
import pytest

from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import Broke, Delta, Native, Opened, Stopped, UsageSeen
from antiphon.protocol.usage import Usage
from antiphon.providers.registry import effective
from tests.helpers.requests import make_assembler
from tests.helpers.stream import check_stream
from tests.providers.corpus import CASES, CODEC, Case, expected, fault_json, lines, replay

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
ANSWERS = pytest.mark.parametrize(
    "case", [case for case in CASES if case.answer().status == 200], ids=lambda case: case.name
)
ERRORS = pytest.mark.parametrize(
    "case", [case for case in CASES if case.answer().status != 200], ids=lambda case: case.name
)
STREAMS = pytest.mark.parametrize("case", [case for case in CASES if case.is_stream], ids=lambda case: case.name)
SPLITS = 20
NAMED = (
    "openai", "azure", "deepseek", "mistral", "qwen", "zhipu", "moonshot", "xai", "groq", "openrouter", "vllm", "sglang",
    "ollama", "llamacpp", "together", "fireworks", "cerebras", "nvidia",
)  # fmt: skip


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(CASES) >= 30
    assert len({case.folder.parent for case in CASES}) >= 12
    assert all((case.folder / "source").read_text().strip() for case in CASES)


@pytest.mark.parametrize("provider", NAMED)
def test_every_named_provider_has_a_text_calls_an_error_and_a_tool_turn(provider: str) -> None:
    cases = [case for case in CASES if case.folder.parent.name == provider]
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
    encoded = CODEC.encode(case.request(), case.target(), media={})
    pretty = msgspec.json.format(encoded.body, indent=1) + b"\n"
    assert pretty == expected(case.folder / "upstream-request.json", pretty)
    assert CODEC.encode(case.request(), case.target(), media={}) == encoded
    only_streams = effective(case.target().quirks, case.target().model).stream == "always"
    assert encoded.stream == (case.request().stream or only_streams)


@ANSWERS
def test_a_whole_answer_gives_the_expected_deltas(case: Case) -> None:
    found = lines(replay(case.decoder(), [case.body()]))
    wanted = expected(case.folder / "deltas.jsonl", b"".join(line + b"\n" for line in found))
    assert found == wanted.splitlines()


@ANSWERS
def test_an_answer_byte_by_byte_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    pieces = [body[place : place + 1] for place in range(len(body))]
    assert lines(replay(case.decoder(), pieces)) == lines(replay(case.decoder(), [body]))


@ANSWERS
def test_an_answer_split_at_random_gives_the_same_deltas(case: Case) -> None:
    body = case.body()
    whole = lines(replay(case.decoder(), [body]))
    dice = random.Random(case.name)
    for _ in range(SPLITS):
        cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.randrange(1, 12)))
        pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        assert lines(replay(case.decoder(), pieces)) == whole


@STREAMS
@pytest.mark.parametrize("ending", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf", b": hello\n\n\n"], ids=["plain", "BOM", "comment"])
def test_line_endings_and_comments_change_nothing(case: Case, ending: bytes, head: bytes) -> None:
    body = case.body()
    changed = (head + body).replace(b"\n", ending)
    whole = lines(replay(case.decoder(), [body]))
    assert lines(replay(case.decoder(), [changed])) == whole
    assert lines(replay(case.decoder(), [changed[place : place + 7] for place in range(0, len(changed), 7)])) == whole


@ANSWERS
def test_the_deltas_make_a_legal_stream(case: Case) -> None:
    deltas = replay(case.decoder(), [case.body()])
    check_stream(_client_stream(deltas), usage_optional=True)


@ERRORS
def test_an_error_is_explained_as_expected(case: Case) -> None:
    answer = case.answer()
    fault = CODEC.fault(answer.status, answer.headers, body=case.body(), target=case.target())
    found = msgspec.json.format(msgspec.json.encode(fault_json(fault)), indent=1) + b"\n"
    assert found == expected(case.folder / "fault.json", found)


def _client_stream(deltas: list[Delta]) -> list[dict[str, object]]:
    """What a client would see, told as the engine does it, in short."""
    assembler = make_assembler()
    events = assembler.open()
    outcome = Outcome("failed")
    for delta in deltas:
        if isinstance(delta, Stopped):
            if delta.reason == "completed":
                outcome = Outcome("completed", Usage(1, 1, 2), completed_at=2)
            else:
                outcome = Outcome("incomplete", Usage(1, 1, 2), delta.reason)
        elif isinstance(delta, Broke):
            outcome = Outcome("failed", fault=delta.fault)
        elif not isinstance(delta, Opened | UsageSeen | Native):
            events += assembler.feed([delta])
    closing, terminal = assembler.finish(outcome)
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in (*events, *closing, terminal)]
