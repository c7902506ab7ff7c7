"""Answers cut into pieces at random places, whole or damaged: the same bytes, the same end, and never anything else."""

import asyncio
import gzip
import itertools
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from antiphon.lib.outbox import Outbox
from antiphon.upstream.head import Origin
from antiphon.upstream.wire import Answer, CutError, FramingError, Wire

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"

RECORDED = [
    OK + b"content-type: application/json\r\ncontent-length: 13\r\n\r\n" + b'{"id":"resp"}',
    OK + b"content-type: text/event-stream\r\n" + CHUNKED + b"9\r\ndata: 1\n\n\r\na\r\ndata: 22\n\n\r\n0\r\n\r\n",
    OK + CHUNKED + b"3;name=value\r\nabc\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n",
    OK + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"data: hello\n\n" * 9, mtime=0),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    + OK
    + b"content-length: 2\r\n\r\nhi",
    b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nconnection: close\r\ncontent-length: 4\r\n\r\nslow",
    b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
    OK + b"content-length: 2\r\n\r\nhi" + OK + b"content-length: 4\r\n\r\nevil",
    OK + CHUNKED + b"2\r\nhi\r\nzz\r\nnonsense",
    OK + b"content-length: 100\r\n\r\nshort",
    OK + b"x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\nhi",
]


class Line(asyncio.Transport):
    """A transport without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Keeper:
    """Counts."""

    released: int = 0
    forgotten: int = 0
    joined: list[Wire] = field(default_factory=list)
    outbox: Outbox = field(default_factory=Outbox)

    def join(self, wire: Wire) -> None:
        self.joined.append(wire)

    def release(self, wire: Wire) -> None:  # noqa: ARG002 - the interface has it
        self.released += 1

    def forget(self, wire: Wire) -> None:  # noqa: ARG002 - the interface has it
        self.forgotten += 1


@dataclass(frozen=True)
class Outcome:
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    error: type[Exception] | None
    is_reusable: bool


def heard(pieces: list[bytes]) -> Outcome:
    """What comes of an answer that arrives in these pieces, before the far side closes."""

    async def scene() -> Outcome:
        line, keeper = Line(), Keeper()
        wire = Wire(Origin(secure=False, host="x", port=80, proxy=None, ca_file=None), keeper)
        wire.connection_made(line)
        answer = Answer(asyncio.get_running_loop(), since=0.0, limit_s=1.0)
        wire.send(answer, b"POST / HTTP/1.1\r\n\r\n")
        for piece in pieces:
            if not line.is_aborted:
                wire.data_received(piece)
        is_reusable = not line.is_aborted and keeper.released == 1
        if not line.is_aborted:
            wire.eof_received()
        wire.connection_lost(None)
        assert (line.is_aborted, keeper.forgotten, answer.wire) == (True, 1, None)
        error = None if answer.error is None else type(answer.error)
        headers = answer.headers if answer.status else {}
        return Outcome(answer.status, headers, b"".join(answer.parts), error, is_reusable)

    return asyncio.run(scene())


def cut(sent: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(sent), *(place % (len(sent) + 1) for place in places)})
    return [sent[start:end] for start, end in itertools.pairwise(edges)]


places = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


@given(sent=st.sampled_from(RECORDED), places=places)
def test_pieces_make_the_same_answer_as_the_whole(sent: bytes, places: list[int]) -> None:
    assert heard(cut(sent, places)) == heard([sent])


@given(sent=st.sampled_from(RECORDED))
def test_single_bytes_make_the_same_answer_as_the_whole(sent: bytes) -> None:
    assert heard([bytes([byte]) for byte in sent]) == heard([sent])


@given(sent=st.sampled_from(RECORDED), place=st.integers(0, 500), removed=st.integers(0, 8), added=st.binary(max_size=8),
       places=places)  # fmt: skip
def test_damaged_answers_end_alike_however_they_arrive(
    sent: bytes, place: int, removed: int, added: bytes, places: list[int]
) -> None:
    place %= len(sent)
    damaged = sent[:place] + added + sent[place + removed :]
    whole = heard([damaged])
    assert whole.error in {None, CutError, FramingError}
    pieces = heard(cut(damaged, places))
    # Empty lines behind an answer are seen only when they come alone.
    assert pieces.is_reusable <= whole.is_reusable
    assert replace(pieces, is_reusable=False) == replace(whole, is_reusable=False)


@given(sent=st.binary(max_size=400), places=places)
def test_noise_is_no_answer(sent: bytes, places: list[int]) -> None:
    outcome = heard(cut(sent, places))
    assert outcome.error in {CutError, FramingError}
    assert (outcome.status, outcome.body, outcome.is_reusable) == (0, b"", False)
