import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.lib.sse import FrameTooLongError, SseEvent, SseParser


def events_of(*pieces: bytes, limit: int = 1000) -> list[SseEvent]:
    parser = SseParser(limit=limit)
    found: list[SseEvent] = []
    for piece in pieces:
        found += parser.feed(piece)
    return found + parser.eof()


GRAMMAR = [
    (b"data: a\n\n", [(b"", b"a")]),
    (b"data:a\n\n", [(b"", b"a")]),
    (b"data:  a\n\n", [(b"", b" a")]),
    (b"data: a\r\n\r\n", [(b"", b"a")]),
    (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
    (b"event: error\ndata: a\n\n", [(b"error", b"a")]),
    (b"id: 1\nretry: 5\nevent: x\ndata: a\nignored\n\n", [(b"x", b"a")]),
    (b": comment\n\ndata: a\n\n", [(b"", b"a")]),
    (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
    (b"\n\n\n\ndata: a\n\n\n\n", [(b"", b"a")]),
    (b"event: only\n\n", []),
    (b"data\n\n", [(b"", b"")]),
    (b"data: \n\n", [(b"", b"")]),
    ("data: a\u2028b\u0085c\n\n".encode(), [(b"", "a\u2028b\u0085c".encode())]),
    (b"data: a\x00\x0b\x0cb\n\n", [(b"", b"a\x00\x0b\x0cb")]),
    (b"data: cut off", [(b"", b"cut off")]),
    (b"data: a\n\ndata: b\n", [(b"", b"a"), (b"", b"b")]),
    (b"", []),
    (b"\xef\xbb", []),
    (b"dat", []),
]


@pytest.mark.parametrize(("stream", "wanted"), GRAMMAR)
def test_events_are_read_by_the_grammar(stream: bytes, wanted: list[tuple[bytes, bytes]]) -> None:
    assert [(event.name, event.data) for event in events_of(stream)] == wanted


@pytest.mark.parametrize(("stream", "wanted"), GRAMMAR)
def test_one_byte_at_a_time_gives_the_same_events(stream: bytes, wanted: list[tuple[bytes, bytes]]) -> None:
    pieces = [stream[place : place + 1] for place in range(len(stream))]
    assert [(event.name, event.data) for event in events_of(*pieces)] == wanted


ALPHABET = st.lists(
    st.sampled_from(
        [b"data: ", b"data:", b"\n", b"\r", b"\r\n", b"\n\n", b"x", b":", b"event: e", b"\xef\xbb\xbf", b"\x00"]
    ),
    max_size=40,
).map(b"".join)


@given(stream=ALPHABET, seed=st.integers(0, 2**32), limit=st.sampled_from([8, 20, 1000]))
def test_events_and_the_limit_do_not_depend_on_the_splits(stream: bytes, seed: int, limit: int) -> None:
    dice = random.Random(seed)
    cuts = sorted(dice.randrange(len(stream) + 1) for _ in range(dice.randrange(6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    single = [stream[place : place + 1] for place in range(len(stream))]
    assert outcome([stream], limit) == outcome(pieces, limit) == outcome(single, limit)


def outcome(pieces: list[bytes], limit: int) -> tuple[list[SseEvent], bool]:
    parser = SseParser(limit=limit)
    found: list[SseEvent] = []
    for piece in pieces:
        try:
            found += parser.feed(piece)
        except FrameTooLongError as error:
            return found + error.events, True
    return found + parser.eof(), False


def test_blank_lines_after_an_event_count_however_they_came() -> None:
    pieces = [b"d", b"ata: \n\n\n\neve", b"nt: edata: ", b"data", b": "]
    assert outcome(pieces, 20) == outcome([b"".join(pieces)], 20)


def test_a_frame_over_the_limit_is_refused_with_the_events_before_it() -> None:
    with pytest.raises(FrameTooLongError, match="more than 20 bytes") as caught:
        SseParser(limit=20).feed(b"data: a\n\ndata: b\n\ndata: " + b"x" * 20)
    assert [event.data for event in caught.value.events] == [b"a", b"b"]


@pytest.mark.parametrize("filler", [b" ", b"\n", b": ping\n\n", b"\r\n"])
def test_blanks_and_comments_without_end_are_refused(filler: bytes) -> None:
    assert outcome([filler] * 2000, 1000) == ([], True)


def test_comments_between_events_never_add_up() -> None:
    parser = SseParser(limit=50)
    for _ in range(100):
        assert parser.feed(b": ping\n\n") == []
        assert parser.feed(b"data: a\n\n") == [SseEvent(b"", b"a")]


def test_a_second_end_says_nothing_more() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a") == []
    assert parser.eof() == [SseEvent(b"", b"a")]
    assert parser.eof() == []
