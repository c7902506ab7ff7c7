"""Where the upstream knows no stop sequences, the answer ends before the first of them all the same."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.protocol import events
from antiphon.protocol.assembler import Outcome
from antiphon.protocol.deltas import (
    Annotation,
    Broke,
    Closed,
    Delta,
    OutcomeDelta,
    Relayed,
    Stopped,
    Text,
    UsageSeen,
)
from antiphon.protocol.faults import UpstreamFault
from antiphon.protocol.response import MessageItem, OutputTextPart
from antiphon.providers.base import Decoder
from antiphon.providers.stop_sequences import StopSequences, stopping_at
from tests.helpers import responses_wire as native
from tests.helpers.requests import make_assembler, make_request
from tests.providers.corpus import CODECS, cut_evenly, replay, target_for
from tests.providers.script import chunk

LETTERS = st.text("ab\n", max_size=4)


class Told:
    """A decoder that says what it is told to: the deltas of each read, and those of the end."""

    done = False

    def __init__(self, reads: Sequence[Sequence[Delta]], last: Sequence[Delta] = ()) -> None:
        self._reads = [list(read) for read in reads]
        self._last = list(last)

    def feed(self, _: bytes) -> list[Delta]:
        return self._reads.pop(0)

    def eof(self) -> list[Delta]:
        return self._last


def cut(sequences: Sequence[str], *pieces: str | Delta, last: Sequence[Delta] = ()) -> list[Delta]:
    """What comes out of these pieces of text, one a read."""
    deltas = [Text("text", piece) if isinstance(piece, str) else piece for piece in pieces]
    decoder = StopSequences(sequences, Told([[delta] for delta in deltas], last))
    found: list[Delta] = []
    for _ in deltas:
        if not decoder.done:
            found += decoder.feed(b"x")
    return found + decoder.eof()


def shown(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def ending(deltas: Sequence[Delta]) -> str | None:
    """The sequence that ended it."""
    return next((delta.sequence for delta in deltas if isinstance(delta, Stopped)), None)


def by_letter(sequences: Sequence[str], text: str) -> tuple[str, str | None]:
    """What a model's server does, which looks after each letter."""
    for end in range(1, len(text) + 1):
        found = [one for one in sequences if one and text[:end].endswith(one)]
        if found:
            longest = max(found, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(st.lists(LETTERS.filter(bool), min_size=1, max_size=3), st.lists(LETTERS, max_size=8))
def test_the_text_ends_where_a_server_would_end_it_whatever_the_pieces(sequences: list[str], pieces: list[str]) -> None:
    found = cut(sequences, *pieces, last=[Closed("text")])
    assert (shown(found), ending(found)) == by_letter(sequences, "".join(pieces))


def test_nothing_comes_behind_it() -> None:
    late: list[Delta] = [Text("text", "late"), Closed("text"), Stopped("completed", "stop")]
    found = cut(["END"], "Hello E", "ND and more", *late)
    assert found == [Text("text", "Hello "), Stopped("completed", "stop_sequence", sequence="END")]


def test_the_cost_of_an_answer_in_one_piece_is_still_told() -> None:
    last: list[Delta] = [Text("text", "Hi END"), UsageSeen(1, 2), Stopped("completed", "stop")]
    assert cut(["END"], last=last)[-1] == UsageSeen(1, 2)


@pytest.mark.parametrize("beside", [Annotation("text", msgspec.Raw(b"{}")), UsageSeen(1)])
def test_what_comes_in_between_divides_no_sequence(beside: Delta) -> None:
    assert cut(["END"], "Hi E", beside, "ND") == [
        Text("text", "Hi "),
        beside,
        Stopped("completed", "stop_sequence", sequence="END"),
    ]


@pytest.mark.parametrize(
    "behind",
    [
        Text("other", "ND"),
        Closed("text"),
        Stopped("completed", "stop"),
        Broke(UpstreamFault("x", code="upstream_reset", status=502, retryable=True)),
    ],
)
def test_what_was_held_comes_before_what_follows_it(behind: Delta) -> None:
    assert cut(["END"], "Hi E", behind) == [Text("text", "Hi "), Text("text", "E"), behind]


def test_without_sequences_nothing_stands_in_between() -> None:
    decoder: Decoder = Told([])
    assert stopping_at((), decoder) is decoder
    assert stopping_at(("",), decoder) is decoder


def said(decoder: Decoder, pieces: Sequence[bytes]) -> tuple[str, list[Delta]]:
    """The text of the finished response, and what is told beside it."""
    deltas = replay(decoder, pieces)
    assembler = make_assembler()
    assembler.open()
    assembler.feed([delta for delta in deltas if not isinstance(delta, OutcomeDelta)])
    _, terminal = assembler.finish(Outcome("completed", None, completed_at=1))
    text = "".join(
        part.text
        for item in terminal.response.output
        if isinstance(item, MessageItem)
        for part in item.content
        if isinstance(part, OutputTextPart)
    )
    return text, [delta for delta in deltas if isinstance(delta, OutcomeDelta)]


def responses_decoder(*, stop: list[str], kind: str) -> Decoder:
    request = make_request(model="openai/gpt-5", stop=stop, stream=True)
    return CODECS["responses"].decoder(request, target_for("openai/gpt-5", "responses"), content_type=kind)


TEXT = "One, two END three END"


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_an_upstream_that_speaks_responses_is_cut_in_the_middle_of_an_item(size: int) -> None:
    body = native.sse(native.events([native.message(TEXT)]))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    text, told = said(responses_decoder(stop=["END", "zzz"], kind="text/event-stream"), pieces)
    assert text == "One, two "
    assert told[-1] == Stopped("completed", "stop_sequence", sequence="END")


def test_an_answer_in_one_piece_is_cut_too() -> None:
    note = {"type": "url_citation", "start_index": 0, "end_index": 20, "url": "https://a.example", "title": ""}
    items = [native.message(TEXT, annotations=[note]), native.message("late", number=1)]
    body = msgspec.json.encode(native.response(items))
    text, told = said(responses_decoder(stop=["END"], kind="application/json"), [body])
    assert text == "One, two "
    assert any(isinstance(delta, UsageSeen) for delta in told)


@pytest.mark.parametrize("whole", ["text", "part", "item"])
def test_servers_that_tell_a_text_only_whole_are_cut_there(whole: str) -> None:
    part = OutputTextPart(TEXT)
    tellers: dict[str, events.Event] = {
        "text": events.TextDone(0, "", 0, 0, TEXT),
        "part": events.ContentPartDone(0, "", 0, 0, part),
        "item": events.ItemDone(0, 0, MessageItem("", "completed", (part, part))),
    }
    event = tellers[whole]
    added = Relayed(0, events.ItemAdded(0, 0, MessageItem("", "in_progress")))
    text, told = said(StopSequences(["END"], Told([[added, Relayed(0, event)]])), [b"x"])
    assert text == "One, two "
    assert told == [Stopped("completed", "stop_sequence", sequence="END")]


@pytest.mark.parametrize(
    ("protocol", "model", "stop"),
    [
        ("chat", "openai/o3", ["END"]),
        ("chat", "zhipu/m", ["x", "END"]),
        ("gemini", "gemini/gemini-3-pro", [*"vwxyz", "END"]),
    ],
)
def test_sequences_that_were_not_sent_are_looked_for_here(protocol: str, model: str, stop: list[str]) -> None:
    request = make_request(model=model, stop=stop)
    decoder = CODECS[protocol].decoder(request, target_for(model, protocol), content_type="text/event-stream")
    frames: list[object] = [chunk({"content": "Hi E"}), chunk({"content": "ND"}, "stop")]
    if protocol == "gemini":
        frames = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in ("Hi E", "ND")]
    body = b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames)
    found = replay(decoder, cut_evenly(body, 7))
    assert (shown(found), ending(found)) == ("Hi ", "END")


def test_sequences_of_blanks_are_looked_for_here_where_the_upstream_refuses_them() -> None:
    request = make_request(model="anthropic/claude-opus-4-8", stop=["END", "\n\n"])
    target = target_for("anthropic/claude-opus-4-8", "anthropic")
    decoder = CODECS["anthropic"].decoder(request, target, content_type="application/json")
    body = b'{"type":"message","content":[{"type":"text","text":"One.\\n\\nTwo. END"}],"stop_reason":"end_turn"}'
    found = replay(decoder, [body])
    assert (shown(found), ending(found)) == ("One.", "\n\n")
