"""Rows U1-U6, U11, M1 and M2 of docs/faults.md, as they show at the network border."""

import asyncio
import socket

import pytest

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, ask, exchange_with, fault_of, read_to_end
from tests.helpers.upstream import Gate, Part, Reply, ScriptedUpstream, answer, chat_json, stream


async def open_fault(reply: Reply, *, first_byte_s: float = 20.0) -> NetworkFault:
    async with ScriptedUpstream(reply) as up, UpstreamClient() as client:
        fault = await fault_of(client.open(ask(up, first_byte_s=first_byte_s)))
        await up.closed(0)
        return fault


def test_u1_refused_connection_is_unreachable_and_worth_a_retry(run: Run) -> None:
    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound but not listening
            port = taken.getsockname()[1]
            async with UpstreamClient() as client:
                fault = await fault_of(client.open(UpstreamRequest(url=f"http://127.0.0.1:{port}/", body=b"{}")))
        assert (fault.code, fault.status, fault.phase) == ("upstream_unreachable", 502, "connect")
        assert (fault.retryable, fault.elsewhere_only) == (True, False)

    run(scene())


def test_u1_connect_timeout_is_unreachable(run: Run) -> None:
    async def scene() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            name = full.getsockname()
            waiters = [socket.socket() for _ in range(4)]
            for waiter in waiters:  # fill the queue of connections that nobody accepts
                waiter.setblocking(False)
                waiter.connect_ex(name)
            async with UpstreamClient(connect_s=0.05) as client:
                fault = await fault_of(client.open(UpstreamRequest(url=f"http://127.0.0.1:{name[1]}/", body=b"{}")))
            for waiter in waiters:
                waiter.close()
        assert (fault.code, fault.phase, fault.retryable) == ("upstream_unreachable", "connect", True)

    run(scene())


def test_u2_unknown_name_is_unreachable_and_only_another_provider_can_help(run: Run) -> None:
    async def scene() -> None:
        async with UpstreamClient() as client:
            request = UpstreamRequest(url="http://no-such-host.invalid/v1", body=b"{}", provider="acme")
            fault = await fault_of(client.open(request))
        assert (fault.code, fault.status, fault.phase) == ("upstream_unreachable", 502, "dns")
        assert fault.elsewhere_only
        assert fault.message == "The provider acme could not be reached."

    run(scene())


def test_u4_no_status_within_the_first_byte_limit_is_a_timeout(run: Run) -> None:
    fault = None

    async def scene() -> None:
        nonlocal fault
        fault = await open_fault(Reply(["stall"], framing="raw"), first_byte_s=0.05)

    run(scene())
    assert isinstance(fault, NetworkFault)
    assert (fault.code, fault.status, fault.elsewhere_only) == ("upstream_timeout", 504, True)
    assert fault.message == "The provider acme did not begin to answer within 0.05 seconds."


def test_u4_holds_too_when_the_provider_does_not_read_the_request(run: Run) -> None:
    async def scene() -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            async with UpstreamClient() as client:
                url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
                request = UpstreamRequest(url=url, body=b"x" * 30_000_000, first_byte_s=0.2)
                fault = await fault_of(client.open(request))
        assert fault.code == "upstream_timeout"

    run(scene())


@pytest.mark.parametrize("parts", [["reset"], ["close"], [b"HTTP/1.1 200 OK\r\nx:", "close"],
                                   [b"HTTP/1.1 200 OK\r\nx:", "reset"]])  # fmt: skip
def test_u6_connection_lost_before_the_headers_is_worth_a_retry(run: Run, parts: list[Part]) -> None:
    async def scene() -> None:
        fault = await open_fault(Reply(parts, framing="raw"))
        assert (fault.code, fault.status, fault.phase) == ("upstream_error", 502, "head")
        assert (fault.retryable, fault.elsewhere_only) == (True, False)

    run(scene())


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"])  # fmt: skip
def test_u11_what_is_not_http_is_a_protocol_error(run: Run, head: bytes) -> None:
    async def scene() -> None:
        fault = await open_fault(Reply([head, "stall"], framing="raw"))
        assert (fault.code, fault.status, fault.retryable) == ("upstream_protocol_error", 502, True)

    run(scene())


def test_large_but_sound_headers_are_accepted(run: Run) -> None:
    async def scene() -> None:
        reply = answer(chat_json(), headers={"content-security-policy": "x" * 30_000})
        async with exchange_with(reply) as (_up, exchange):
            assert b"Hello." in await exchange.read_all(10_000)

    run(scene())


def test_m1_silence_in_the_middle_is_a_stall_and_closes_the_connection(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream(b"data: 1\n\n", "stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up, idle_s=0.05))
            received, fault = await read_to_end(exchange)
            assert received == b"data: 1\n\n"
            assert fault is not None
            assert (fault.code, fault.phase) == ("upstream_stall", "body")
            assert fault.message == "The provider acme sent nothing for 0.05 seconds in the middle of an answer."
            await up.closed(0)
            assert (await fault_of(exchange.read())) is fault

    run(scene())


def test_m1_holds_from_the_headers_on(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream("stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up, idle_s=0.05))
            assert (await fault_of(exchange.read())).code == "upstream_stall"

    run(scene())


def test_m1_comments_keep_a_slow_stream_alive(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate() for _ in range(6)]
        parts: list[Part] = [part for gate in gates for part in (b": ping\n\n", gate)]
        async with exchange_with(stream(*parts, done=False), idle_s=0.4) as (_up, exchange):
            loop = asyncio.get_running_loop()
            started = loop.time()
            for gate in gates:
                assert await exchange.read() == b": ping\n\n"
                loop.call_later(0.15, gate.open)
            assert await exchange.read() == b""
            assert loop.time() - started > 0.8

    run(scene())


@pytest.mark.parametrize("reply", [
    Reply([b"data: 1\n\n", b"data: 2\n\n", "close"], framing="chunked"),
    Reply([b"data: 1\n\n", b"data: 2\n\n", "reset"], framing="chunked"),
    Reply([b"data: 1\n\ndata: 2\n\n", "close"], declared_length=100),
    Reply([b"data: 1\n\ndata: 2\n\n", "reset"], declared_length=100),
    Reply([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n99\r\ndata: 1\n\ndata: 2\n\n", "close"], framing="raw"),
])  # fmt: skip
def test_m2_cut_body_gives_what_arrived_and_then_a_reset(run: Run, reply: Reply) -> None:
    async def scene() -> None:
        async with exchange_with(reply) as (_up, exchange):
            received, fault = await read_to_end(exchange)
            assert received == b"data: 1\n\ndata: 2\n\n"
            assert fault is not None
            assert (fault.code, fault.phase) == ("upstream_reset", "body")
            assert (await fault_of(exchange.read())) is fault

    run(scene())


def test_m2_cut_that_came_before_the_first_read_still_gives_what_arrived(run: Run) -> None:
    async def scene() -> None:
        async with exchange_with(Reply([b"data: 1\n\n", "close"], framing="chunked")) as (up, exchange):
            connection = await up.closed(0)
            assert not connection.was_reset
            await asyncio.sleep(0.05)  # let the client's loop see the end of the connection
            received, fault = await read_to_end(exchange)
            assert received == b"data: 1\n\n"
            assert fault is not None
            assert fault.code == "upstream_reset"

    run(scene())


def test_u11_wrong_chunk_framing_in_the_middle_fails_the_answer(run: Run) -> None:
    async def scene() -> None:
        gate = Gate()
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
        async with exchange_with(Reply([head, gate, b"zz\r\nnonsense", "stall"], framing="raw")) as (up, exchange):
            assert await exchange.read() == b"data: 1\n\n"
            gate.open()
            assert (await fault_of(exchange.read())).code == "upstream_reset"
            await up.closed(0)

    run(scene())


def test_body_without_declared_end_ends_with_its_connection(run: Run) -> None:
    async def scene() -> None:
        async with exchange_with(Reply([b"data: 1\n\n"], framing="eof")) as (_up, exchange):
            assert await read_to_end(exchange) == (b"data: 1\n\n", None)

    run(scene())
