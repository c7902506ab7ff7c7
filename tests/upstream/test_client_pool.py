"""Which connection a request takes, and when those that nobody needs are closed."""

import asyncio
import contextlib

import pytest

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from antiphon.upstream.head import Origin
from antiphon.upstream.pool import Pool
from antiphon.upstream.watch import Watch
from antiphon.upstream.wire import Answer, CutError, Wire
from tests.helpers.exchanges import Run, ask, fault_of, read_to_end
from tests.helpers.upstream import Gate, Part, Reply, ScriptedUpstream, Seen, answer, chat_json, stream
from tests.upstream.test_client_splits import Line


async def whole(client: UpstreamClient, up: ScriptedUpstream) -> bytes:
    async with await client.open(ask(up)) as exchange:
        return await exchange.read_all(10_000)


def test_connection_used_last_is_used_first_so_that_others_grow_old(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate() for _ in range(3)]

        def brain(request: Seen) -> Reply:
            return stream(b"data: 1\n\n", gates[request.connection])

        async with ScriptedUpstream(brain) as up, UpstreamClient() as client:
            exchanges = [await client.open(ask(up)) for _ in gates]
            for number in (0, 2, 1):
                gates[number].open()
                await read_to_end(exchanges[number])
            for _ in range(3):
                await whole(client, up)
            assert [seen.connection for seen in up.requests] == [0, 1, 2, 1, 1, 1]

    run(scene())


def test_idle_connection_is_closed_after_its_time(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient(keepalive_s=0.05) as client:
            await whole(client, up)
            await up.closed(0)
            await whole(client, up)
            assert [seen.connection for seen in up.requests] == [0, 1]

    run(scene())


def test_connection_in_use_does_not_grow_old(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        async with (
            ScriptedUpstream(stream(b"data: 1\n\n", gate)) as up,
            UpstreamClient(keepalive_s=0.02) as client,
            await client.open(ask(up)) as exchange,
        ):
            assert await exchange.read() == b"data: 1\n\n"
            await asyncio.sleep(0.1)
            gate.open()
            assert (await read_to_end(exchange))[1] is None

    run(scene())


@pytest.mark.parametrize("said", [
    [b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n", "stall"], [b"\r\n", "stall"], ["close"], ["reset"]
])  # fmt: skip
def test_idle_connection_that_says_something_or_ends_is_not_used_again(run: Run, said: list[Part]) -> None:
    async def scene() -> None:
        gate = Gate()
        first = Reply([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", gate, *said], framing="raw")
        async with ScriptedUpstream([first, answer(chat_json())]) as up, UpstreamClient() as client:
            assert await whole(client, up) == b"hi"
            gate.open()
            await up.closed(0)
            assert b"Hello." in await whole(client, up)
            assert [seen.connection for seen in up.requests] == [0, 1]

    run(scene())


def test_each_provider_has_connections_of_its_own(run: Run) -> None:
    async def scene() -> None:
        async with (
            ScriptedUpstream(answer(chat_json("one"))) as one,
            ScriptedUpstream(answer(chat_json("two"))) as two,
            UpstreamClient() as client,
        ):
            for up, said in ((one, b"one"), (two, b"two"), (one, b"one")):
                assert said in await whole(client, up)
            assert [len(up.connections) for up in (one, two)] == [1, 1]

    run(scene())


def test_leaving_the_client_closes_everything_and_ends_what_is_open(run: Run) -> None:
    async def scene() -> None:
        replies = [stream(b"data: 1\n\n", "stall"), answer(chat_json()), Reply(["stall"], framing="raw")]
        async with ScriptedUpstream(replies) as up:
            async with UpstreamClient() as client:
                streamed = await client.open(ask(up))
                await whole(client, up)  # leaves an idle connection
                waiting = asyncio.create_task(client.open(ask(up)))
                await up.received(3)
            assert (await fault_of(waiting)).code == "upstream_error"
            assert await read_to_end(streamed) == (b"data: 1\n\n", streamed._failure)
            assert (await fault_of(streamed.read())).code == "upstream_reset"
            for number in range(len(up.connections)):
                await up.closed(number)

    run(scene())


def test_of_many_stale_connections_only_one_is_tried(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate() for _ in range(3)]

        def brain(request: Seen) -> Reply:
            if len(up.requests) <= len(gates):
                return stream(b"data: 1\n\n", gates[request.connection])
            return answer(chat_json()) if request.connection == len(gates) else Reply(["reset"], framing="raw")

        async with ScriptedUpstream(brain) as up, UpstreamClient() as client:
            exchanges = [await client.open(ask(up)) for _ in gates]
            for gate, exchange in zip(gates, exchanges, strict=True):
                gate.open()
                await read_to_end(exchange)
            assert b"Hello." in await whole(client, up)
            assert [seen.connection for seen in up.requests] == [0, 1, 2, 2, 3]

    run(scene())


def test_late_loss_of_a_pooled_connection_is_a_fault_because_the_provider_may_have_worked(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        served: set[int] = set()

        def brain(request: Seen) -> Reply:
            if request.connection in served:
                return Reply([gate, "close"], framing="raw")
            served.add(request.connection)
            return answer(chat_json())

        async with ScriptedUpstream(brain) as up, UpstreamClient() as client:
            await whole(client, up)
            asyncio.get_running_loop().call_later(1.1, gate.open)
            assert (await fault_of(client.open(ask(up)))).code == "upstream_error"
            assert len(up.requests) == 2

    run(scene())


def test_part_of_an_answer_on_a_pooled_connection_is_never_repeated(run: Run) -> None:
    async def scene() -> None:
        replies = [answer(chat_json()), Reply([b"HTTP/1.1 2", "close"], framing="raw")]
        async with ScriptedUpstream(replies) as up, UpstreamClient() as client:
            await whole(client, up)
            assert (await fault_of(client.open(ask(up)))).code == "upstream_error"
            assert len(up.requests) == 2

    run(scene())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_many_requests_at_once_to_a_cold_provider_all_get_there(run: Run, host: str) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient() as client:
            request = UpstreamRequest(url=f"http://{host}:{up.port}/v1", body=b"{}")

            async def one() -> None:
                async with await client.open(request) as exchange:
                    assert b"Hello." in await exchange.read_all(10_000)

            await asyncio.gather(*(one() for _ in range(50)))
            assert {seen.headers["host"] for seen in up.requests} == {f"{host}:{up.port}"}

    run(scene())


def test_cancelled_while_it_connects_leaves_nothing_behind(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up:
            async with UpstreamClient() as client:
                for turns in range(12):
                    opening = asyncio.create_task(client.open(ask(up)))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    opening.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        (await opening).close()
            for number in range(len(up.connections)):
                await up.closed(number)

    run(scene())


def test_connection_without_time_to_wait_is_never_used_again(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient(keepalive_s=0.0) as client:
            for _ in range(3):
                await whole(client, up)
            assert [seen.connection for seen in up.requests] == [0, 1, 2]
            for number in range(3):
                await up.closed(number)

    run(scene())


def test_idle_connections_are_closed_one_by_one_as_their_time_is_over() -> None:
    async def scene() -> None:
        loop, watch = asyncio.get_running_loop(), Watch()
        pool = Pool(watch, keepalive_s=60.0, most=9)
        lines = [Line(), Line()]
        pool.release(wire_on(lines[0], pool))
        released_at = loop.time()
        await asyncio.sleep(0.002)
        pool.release(wire_on(lines[1], pool))
        left_s = pool.look(released_at + 60.0)
        assert left_s is not None
        assert left_s > 0
        assert [line.is_aborted for line in lines] == [True, False]
        assert pool.look(loop.time() + 60.0) is None
        assert lines[1].is_aborted
        watch.close()

    asyncio.run(scene())


def test_the_connection_that_waited_longest_makes_room_for_a_new_one() -> None:
    async def scene() -> None:
        watch = Watch()
        pool = Pool(watch, keepalive_s=60.0, most=3)
        lines = [Line() for _ in range(3)]
        wires = [wire_on(line, pool) for line in lines]
        for number, wire in enumerate(wires):
            pool.make_room()  # there is enough of it
            pool.join(wire)
            if number:
                pool.release(wire)
        pool.make_room()
        assert [line.is_aborted for line in lines] == [False, True, False]
        wires[1].connection_lost(None)
        pool.make_room()
        assert not lines[2].is_aborted
        watch.close()

    asyncio.run(scene())


def test_connection_that_is_ready_after_the_end_is_closed_and_its_request_fails() -> None:
    async def scene() -> None:
        loop, watch, line = asyncio.get_running_loop(), Watch(), Line()
        pool = Pool(watch, keepalive_s=60.0, most=9)
        await pool.close()
        wire = wire_on(line, pool)
        pool.join(wire)
        assert line.is_aborted
        request = Answer(loop, since=loop.time(), limit_s=1.0)
        wire.send(request, b"POST / HTTP/1.1\r\n\r\n")
        assert isinstance(request.error, CutError)
        assert request.look(loop.time()) is None

    asyncio.run(scene())


def test_connection_that_was_lost_before_it_was_ready_is_not_waited_for() -> None:
    async def scene() -> None:
        loop, watch, line = asyncio.get_running_loop(), Watch(), Line()
        pool = Pool(watch, keepalive_s=60.0, most=9)
        wire = wire_on(line, pool)
        line.abort()
        wire.connection_lost(None)
        pool.join(wire)
        began = loop.time()
        await pool.close()
        assert loop.time() - began < 0.5

    asyncio.run(scene())


def wire_on(line: Line, pool: Pool) -> Wire:
    wire = Wire(Origin(secure=False, host="x", port=80, proxy=None, ca_file=None), pool)
    wire.connection_made(line)
    return wire
