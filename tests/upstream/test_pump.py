"""Pieces of a stream that are dealt with as they arrive, while their reader sleeps."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest

from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, ask, exchange_with, fault_of
from tests.helpers.upstream import Gate, Part, Reply, ScriptedUpstream, stream


class Taking:
    """Takes pieces until it has had enough of them."""

    def __init__(self, enough: int = 1000, *, then: Sequence[Gate] = ()) -> None:
        self.pieces: list[bytes] = []
        self.tasks: set[asyncio.Task[object] | None] = set()
        self._enough = enough
        self._then = iter(then)

    def __call__(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        self.tasks.add(asyncio.current_task())
        gate = next(self._then, None)
        if gate is not None:
            gate.open()
        return len(self.pieces) < self._enough


def test_pieces_are_taken_as_they_arrive_without_the_reader(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate() for _ in range(4)]
        parts: list[Part] = [part for number, gate in enumerate(gates) for part in (gate, b"%d" % number)]
        async with exchange_with(stream(*parts, done=False)) as (_up, exchange):
            taking = Taking(then=gates[1:])
            gates[0].open()
            assert await exchange.pump(taking) is False
            assert taking.pieces == [b"0", b"1", b"2", b"3"]
            assert None in taking.tasks

    run(scene())


def test_who_takes_no_more_wakes_the_reader_and_nothing_is_lost(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        async with exchange_with(stream(gate, b"one", gate, b"two", gate, b"three", done=False)) as (_up, exchange):
            gate.open()
            first = Taking(enough=1)
            assert await exchange.pump(first) is True
            rest = b"".join(first.pieces)
            second = Taking(enough=1)
            if await exchange.pump(second):
                rest += b"".join(second.pieces)
                while piece := await exchange.read():
                    rest += piece
            else:
                rest += b"".join(second.pieces)
            assert rest == b"onetwothree"

    run(scene())


def test_m1_taken_pieces_count_as_life_and_silence_after_them_is_a_stall(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate() for _ in range(4)]
        parts: list[Part] = [part for gate in gates for part in (gate, b": ping\n\n")]
        async with ScriptedUpstream(stream(*parts, "stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up, idle_s=0.4))
            loop = asyncio.get_running_loop()
            for number, gate in enumerate(gates):
                loop.call_later(0.2 * (number + 1), gate.open)
            started = loop.time()
            taking = Taking()
            fault = await fault_of(exchange.pump(taking))
            assert (fault.code, len(taking.pieces)) == ("upstream_stall", 4)
            assert loop.time() - started > 1.0
            await up.closed(0)

    run(scene())


def test_m2_a_cut_behind_taken_pieces_is_a_reset(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        async with exchange_with(stream(b"one", gate, "reset")) as (_up, exchange):
            taking = Taking(then=[gate])
            assert (await fault_of(exchange.pump(taking))).code == "upstream_reset"
            assert taking.pieces == [b"one"]

    run(scene())


def test_an_error_of_who_takes_is_the_readers_and_closes_the_connection(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()

        def broken(piece: bytes) -> bool:
            raise ZeroDivisionError(piece)

        async with ScriptedUpstream(stream(gate, b"one", "stall")) as up, UpstreamClient() as client:
            async with await client.open(ask(up)) as exchange:
                gate.open()
                with pytest.raises(ZeroDivisionError):
                    await exchange.pump(broken)
            await up.closed(0)

    run(scene())


def test_a_cancelled_pump_closes_the_upstream_connection_at_once(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        async with ScriptedUpstream(stream(b"one", gate, "stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up))
            taking = Taking(then=[gate])
            pumping = asyncio.ensure_future(exchange.pump(taking))
            await gate.wait()
            pumping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pumping
            await up.closed(0)

    run(scene())


def test_compressed_pieces_are_taken_inflated(run: Run) -> None:
    async def scene() -> None:
        packed = gzip.compress(b"one two three")
        reply = Reply([packed], headers={"content-encoding": "gzip"}, framing="chunked")
        async with exchange_with(reply) as (_up, exchange):
            taking = Taking()
            assert await exchange.pump(taking) is False
            assert b"".join(taking.pieces) == b"one two three"

    run(scene())
