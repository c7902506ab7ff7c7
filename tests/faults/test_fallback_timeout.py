"""`fallback_timeout`: how long a client waits for output while there is another place, over real sockets."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.doors import AT_ONCE, ask, both, doors, here, silent
from tests.helpers.gateway import Answer
from tests.helpers.pair import Pair, open_pair
from tests.helpers.upstream import Gate, Reply, Seen, answer, error, stream, text_chunks

AT_ONCE_S = 1.0
VECTORS = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with open_pair(tmp_path_factory.mktemp("pair"), retries=AT_ONCE) as opened:
        yield opened


def slow(seen: Seen) -> Reply:
    """Here, but not before 0.3 s."""
    gate = Gate()
    threading.Timer(0.3, gate.open).start()
    made = here(seen)
    return Reply([gate, *made.parts], headers=made.headers, framing=made.framing)


def embed(pair: Pair) -> Answer:
    body = {"model": pair.model, "input": "Hi", "fallback_timeout": 100}
    return pair.gateway.request("POST", "/v1/embeddings", body=body)


@both
@doors
@pytest.mark.parametrize("silence", ["before the status", "before any output"])
def test_fallback_timeout_ends_a_wait_while_there_is_another_place(
    pair: Pair, door: str, silence: str, streamed: bool
) -> None:
    opened = Reply([b": thinking\n\n", "stall"], headers={"content-type": "text/event-stream"}, framing="chunked")
    pair.script(silent() if silence == "before the status" else opened, here)
    began = time.monotonic()
    got = ask(pair, door, stream=streamed, fallback_timeout=150)
    assert time.monotonic() - began < 5 * AT_ONCE_S
    assert got.status == 200, got.body
    assert b"Here." in got.body
    assert got.headers["x-fallback-reason"] == "upstream_timeout"
    pair.closed(0)


@both
def test_fallback_timeout_does_not_end_the_wait_for_the_last_place(pair: Pair, streamed: bool) -> None:
    pair.script(silent(), slow)
    got = ask(pair, "responses", stream=streamed, fallback_timeout=100)
    assert got.status == 200, got.body
    assert b"Here." in got.body


def test_fallback_timeout_does_not_end_an_answer_that_has_begun(pair: Pair) -> None:
    gate = Gate()
    chunks = text_chunks("Slowly,", " but surely.")

    def first(_: Seen) -> Reply:
        threading.Timer(0.3, gate.open).start()
        return stream(*chunks[:2], gate, *chunks[2:])

    pair.script(first, error(500, "Not asked."))
    got = ask(pair, "responses", stream=True, fallback_timeout=100)
    assert b"surely." in got.body
    assert pair.asked == [1, 0]


def test_output_that_comes_just_as_patience_ends_is_one_answer_or_the_other(pair: Pair) -> None:
    """Never one that breaks off because another place is asked by then."""
    delays = iter([0.1 + step * 0.0005 for step in range(-8, 8)] * 4)

    def about_then(_: Seen) -> Reply:
        gate = Gate()
        threading.Timer(next(delays), gate.open).start()
        return stream(*text_chunks("First", " place.")[:1], gate, *text_chunks("First", " place.")[1:])

    pair.script(about_then, lambda _: stream(*text_chunks("Second", " place.")))
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(pair.stream, fallback_timeout=100) for _ in range(64)]
    seen = [each.result()[0] for each in made]
    assert {each.response["status"] for each in seen} == {"completed"}
    assert {each.text for each in seen} <= {"First place.", "Second place."}


def test_impatience_of_a_client_is_no_failure_of_the_place(pair: Pair) -> None:
    pair.script(silent(), here)
    for _ in range(6):
        assert ask(pair, "responses", fallback_timeout=150).status == 200
    assert pair.asked == [6, 6], "it is not spared for that"


@both
def test_it_does_not_end_the_wait_for_the_only_place_that_can_be_told(tmp_path: Path, streamed: bool) -> None:
    with open_pair(tmp_path, second={"strict": True}, retries=AT_ONCE) as pair:
        pair.script(slow, here)
        got = ask(pair, "responses", stream=streamed, fallback_timeout=100, top_k=3)
        assert got.status == 200, got.body
        assert b"Here." in got.body
        assert pair.asked == [1, 0]
        pair.script(slow, here)
        got = ask(pair, "responses", stream=streamed, fallback_timeout=100)
        assert got.headers["x-fallback-reason"] == "upstream_timeout"


def test_it_does_not_end_the_wait_when_no_more_attempts_are_made(tmp_path: Path) -> None:
    with open_pair(tmp_path, retries={**AT_ONCE, "attempts": 1}) as pair:
        pair.script(slow, here)
        assert ask(pair, "responses", fallback_timeout=100).status == 200
        assert pair.asked == [1, 0]

        def vectors(_: Seen) -> Reply:
            time.sleep(0.3)
            return answer(VECTORS)

        pair.script(vectors, answer(VECTORS))
        assert embed(pair).status == 200
        assert pair.asked == [1, 0]


@pytest.mark.parametrize("silence", ["before the status", "behind it"])
def test_embeddings_come_from_another_place_when_the_first_takes_too_long(pair: Pair, silence: str) -> None:
    begun = Reply([b'{"object":', "stall"], headers={"content-type": "application/json"}, framing="chunked")
    pair.script(silent() if silence == "before the status" else begun, answer(VECTORS))
    for _ in range(6):
        began = time.monotonic()
        got = embed(pair)
        assert got.status == 200, got.body
        assert time.monotonic() - began < 5 * AT_ONCE_S
        assert got.headers["x-fallback-reason"] == "upstream_timeout"
    assert pair.asked == [6, 6], "it is not spared for that"
    pair.closed(0)
