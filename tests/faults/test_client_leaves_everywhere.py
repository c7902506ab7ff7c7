"""Clients that leave, whatever the upstream is doing just then: rows D1 and D2, through every door before every dialect.

The upstream is hung up on within a second, the run counts as cancelled, and nobody is asked again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import msgspec
import pytest

from tests.edge.wire import Wire
from tests.faults.clients import DOORS, Door
from tests.faults.house import House, new_model, open_house
from tests.faults.tongues import TONGUES, Call, Thought, Tongue, Words
from tests.helpers.upstream import Reply

AT_ONCE_S = 1.0
THOUGHT, WORDS, CALL = Thought("Let me think"), Words("A few words"), Call("f", {"city": "Oslo at night"})
#: Longer than a test may take, and shorter than what nobody waits for.
WAIT_S = 4


def streamed(tongue: Tongue, *pieces: Thought | Words | Call, less: int) -> Reply:
    """All frames but so many, and then silence."""
    return tongue.streamed(*tongue.frames(pieces)[:-less], "stall")


def in_arguments(tongue: Tongue) -> Reply:
    """The last piece of the arguments is still to come. Google sends them whole: there its call is all there is."""
    less = {"chat": 4, "responses": 5, "anthropic": 4, "gemini": 1}[tongue.name]
    return streamed(tongue, WORDS, CALL, less=less)


#: What the upstream does, by the phase that the client leaves in, and what the client sees before.
STREAMS: Mapping[str, tuple[Callable[[Tongue], Reply], bytes]] = {
    "before the status": (lambda _: Reply(["stall"], framing="raw"), b""),
    "before the first event": (lambda tongue: tongue.streamed(b": hi\n\n", "stall"), b""),
    "in a thought": (lambda tongue: streamed(tongue, THOUGHT, WORDS, less=tongue.closing + 2), b"Let "),
    "in the text": (lambda tongue: streamed(tongue, WORDS, less=tongue.closing), b"A fe"),
    "in the arguments of a call": (in_arguments, b"A fe"),
    "behind the text": (lambda tongue: streamed(tongue, WORDS, less=1), b"A fe"),
}
WHOLE: Mapping[str, Callable[[Tongue], Reply]] = {
    "before the status": lambda _: Reply(["stall"], framing="raw"),
    "in the head": lambda _: Reply([b"HTTP/1.1 200 OK\r\ncontent-", "stall"], framing="raw"),
    "in the body": lambda tongue: Reply([tongue.body()[:30], "stall"], framing="chunked"),
}

every_tongue = pytest.mark.parametrize("tongue", TONGUES.values(), ids=TONGUES)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """No limit of ours ends anything here, and what fails is tried again."""
    with open_house(tmp_path_factory.mktemp("patient"), retries={"attempts": 3, "budget_percent": 100}) as opened:
        yield opened


def request_at(house: House, door: Door, model: str, *, stream: bool) -> bytes:
    body = msgspec.json.encode(door.body(model, stream=stream, tools=["f"]))
    head = f"POST {door.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {house.gateway.key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Leaver:
    """A client that asks, sees something, and leaves."""

    def __init__(self, house: House, provider: str) -> None:
        self._house = house
        self._provider = provider

    def leave(self, reply: Reply, door: Door, *, stream: bool, until: bytes = b"", reset: bool = False) -> None:
        house = self._house
        house.script(reply)
        asked, model = len(house.upstream.requests), new_model(self._provider)
        with Wire(house.gateway) as wire:
            wire.send(request_at(house, door, model, stream=stream))
            request = house.upstream.received(asked + 1)[-1]
            seen = b""
            while until not in seen:
                piece = wire.socket.recv(65536)
                assert piece, seen
                seen += piece
            began = time.monotonic()
            if reset:
                wire.reset()
        house.upstream.closed(request.connection)
        assert time.monotonic() - began < AT_ONCE_S, door.name
        assert len(house.upstream.requests) == asked + 1
        house.expect(model, ("cancelled", None, "any", "any", "any"))


@every_tongue
@pytest.mark.parametrize(("reply", "until"), STREAMS.values(), ids=STREAMS)
def test_d1_d2_leaving_a_stream_hangs_up_on_the_upstream_at_once(
    patient: House, tongue: Tongue, reply: Callable[[Tongue], Reply], until: bytes
) -> None:
    for door, reset in product(DOORS.values(), (False, True)):
        shown = b"" if until == b"Let " and door.name == "messages" else until  # there it is only shown when asked for
        Leaver(patient, tongue.name).leave(reply(tongue), door, stream=True, until=shown, reset=reset)


@every_tongue
@pytest.mark.parametrize("reply", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("provider", ["", "always-"], ids=["whole", "streamed upstream"])
def test_d2_leaving_while_a_whole_answer_is_awaited_hangs_up_at_once(
    patient: House, tongue: Tongue, reply: Callable[[Tongue], Reply], provider: str
) -> None:
    for door, reset in product(DOORS.values(), (False, True)):
        Leaver(patient, provider + tongue.name).leave(reply(tongue), door, stream=False, reset=reset)


@every_tongue
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_d2_leaving_while_another_attempt_is_waited_for_makes_none(
    patient: House, tongue: Tongue, stream: bool
) -> None:
    busy = tongue.fails(503, "overloaded", headers={"retry-after": str(WAIT_S)})
    for door in DOORS.values():
        patient.script(busy)
        asked, model = len(patient.upstream.requests), new_model(tongue.name)
        with Wire(patient.gateway) as wire:
            wire.send(request_at(patient, door, model, stream=stream))
            request = patient.upstream.received(asked + 1)[-1]
            patient.upstream.replied(request.connection)
            patient.gateway.request("GET", "/healthz")  # answered behind what came before it
        began = time.monotonic()
        while live_runs(patient):
            assert time.monotonic() - began < AT_ONCE_S
        assert len(patient.upstream.requests) == asked + 1
        patient.expect(model, ("cancelled", None, "any", "any", "any"))


def live_runs(house: House) -> int:
    lines = house.gateway.request("GET", "/metrics").body.decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("antiphon_live_runs ")).split()[1]))
