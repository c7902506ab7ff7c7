import asyncio
import gzip
import zlib

import pytest

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, ask, exchange_with, fault_of, read_to_end
from tests.helpers.upstream import (
    Gate,
    Reply,
    ScriptedUpstream,
    Seen,
    answer,
    chat_json,
    error,
    sse,
    stream,
    text_chunks,
)


def test_request_arrives_whole_and_asks_for_no_compression(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient() as client:
            body = b'{"x":"' + b"y" * 3_000_000 + b'"}'
            async with await client.open(ask(up, body=body)) as exchange:
                assert (exchange.status, exchange.content_type) == (200, "application/json")
                assert exchange.headers["Content-Type"] == "application/json"
                assert b"Hello." in await exchange.read_all(10_000)
            seen = up.requests[0]
            assert (seen.method, seen.path, seen.body) == ("POST", "/v1/chat/completions", body)
            assert seen.headers["authorization"] == "Bearer sk-secret"
            assert seen.headers["content-type"] == "application/json"
            assert seen.headers["accept-encoding"] == "identity"

    run(scene())


def test_each_part_is_given_as_soon_as_it_arrives(run: Run) -> None:
    async def scene() -> None:
        gates = [Gate(), Gate()]
        async with exchange_with(stream(b"one", gates[0], b"two", gates[1], done=False)) as (_up, exchange):
            assert await exchange.read() == b"one"
            gates[0].open()
            assert await exchange.read() == b"two"
            gates[1].open()
            assert await exchange.read() == b""
            assert await exchange.read() == b""

    run(scene())


def test_whole_stream_is_read_and_its_connection_used_again(run: Run) -> None:
    async def scene() -> None:
        chunks = text_chunks("Hel", "lo")
        async with ScriptedUpstream(stream(*chunks)) as up, UpstreamClient() as client:
            for _ in range(3):
                async with await client.open(ask(up)) as exchange:
                    assert await read_to_end(exchange) == (b"".join(sse(*chunks)), None)
            assert [seen.connection for seen in up.requests] == [0, 0, 0]

    run(scene())


def test_error_statuses_are_returned_with_their_body_and_headers(run: Run) -> None:
    async def scene() -> None:
        reply = error(429, "slow down", headers={"Retry-After": "7"})
        async with exchange_with(reply) as (_up, exchange):
            assert (exchange.status, exchange.headers["retry-after"]) == (429, "7")
            assert b"slow down" in await exchange.read_all(1000)

    run(scene())


def test_body_over_the_limit_is_refused_and_its_connection_dropped(run: Run) -> None:
    async def scene() -> None:
        async with exchange_with(Reply([b"x" * 2000, "stall"], declared_length=4000)) as (up, exchange):
            fault = await fault_of(exchange.read_all(1999))
            assert fault.code == "upstream_protocol_error"
            await up.closed(0)

    run(scene())


def test_cancelled_wait_for_the_status_closes_the_upstream_connection_at_once(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(Reply(["stall"], framing="raw")) as up, UpstreamClient() as client:
            waiting = asyncio.create_task(client.open(ask(up)))
            await up.received(1)
            waiting.cancel()
            await up.closed(0)
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(scene())


def test_cancelled_read_closes_the_upstream_connection_at_once(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream(b"data: 1\n\n", "stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up))
            assert await exchange.read() == b"data: 1\n\n"
            waiting = asyncio.create_task(exchange.read())
            await asyncio.sleep(0)
            waiting.cancel()
            await up.closed(0)
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(scene())


def test_close_in_the_middle_drops_the_connection_and_later_reads_fail(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream(b"data: 1\n\n", "stall")) as up, UpstreamClient() as client:
            exchange = await client.open(ask(up))
            await exchange.read()
            exchange.close()
            exchange.close()
            await up.closed(0)
            assert (await fault_of(exchange.read())).code == "upstream_reset"

    run(scene())


def test_slow_reader_makes_the_upstream_wait_and_is_no_stall(run: Run) -> None:
    async def scene() -> None:
        pieces = [b"x" * 100_000] * 100
        async with exchange_with(Reply(pieces), idle_s=0.05) as (up, exchange):
            await asyncio.sleep(0.2)  # longer than the idle limit: nobody reads, so nobody waits
            assert not up.connections[0].is_drained
            assert len((await read_to_end(exchange))[0]) == 10_000_000

    run(scene())


@pytest.mark.parametrize(("coding", "packed"), [
    ("gzip", gzip.compress(b"data: hello\n\n" * 500, mtime=0)),
    ("x-gzip", gzip.compress(b"data: hello\n\n" * 500, mtime=0)),
    ("deflate", zlib.compress(b"data: hello\n\n" * 500)),
    ("deflate", zlib.compress(b"data: hello\n\n" * 500, wbits=-15)),
    ("identity", b"data: hello\n\n" * 500),
])  # fmt: skip
def test_u14_compression_that_was_not_asked_for_is_undone(run: Run, coding: str, packed: bytes) -> None:
    async def scene() -> None:
        halves = [packed[:20], packed[20:]]
        reply = Reply(halves, headers={"content-encoding": coding}, framing="chunked")
        async with exchange_with(reply) as (_up, exchange):
            assert await read_to_end(exchange) == (b"data: hello\n\n" * 500, None)

    run(scene())


def test_compressed_events_are_given_as_they_are_flushed(run: Run) -> None:
    async def scene() -> None:
        packer = zlib.compressobj(wbits=31)
        first = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
        gate = Gate()
        reply = Reply([first, gate, packer.flush()], headers={"content-encoding": "gzip"}, framing="chunked")
        async with exchange_with(reply) as (_up, exchange):
            assert await exchange.read() == b"data: 1\n\n"
            gate.open()
            assert await exchange.read() == b""

    run(scene())


@pytest.mark.parametrize(("coding", "packed"), [
    ("gzip", gzip.compress(b"\0" * 3_000_000, mtime=0)),
    ("gzip", b"this is not gzip at all"),
    ("deflate", b"\xff\xfe nor is this deflate"),
    ("gzip", gzip.compress(b"data: hello\n\n" * 500, mtime=0)[:-9]),
])  # fmt: skip
def test_u14_bombs_and_broken_compression_are_protocol_errors(run: Run, coding: str, packed: bytes) -> None:
    async def scene() -> None:
        reply = Reply([packed], headers={"content-encoding": coding})
        async with exchange_with(reply, decoded_cap_bytes=1_000_000) as (_up, exchange):
            received, fault = await read_to_end(exchange)
            assert len(received) <= 1_000_000
            assert fault is not None
            assert fault.code == "upstream_protocol_error"
            assert (await read_to_end(exchange))[1] is fault

    run(scene())


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_u14_compression_we_cannot_undo_is_a_protocol_error(run: Run, coding: str) -> None:
    async def scene() -> None:
        reply = Reply([b"\x0b\x02\x80", "stall"], headers={"content-encoding": coding}, declared_length=9)
        async with ScriptedUpstream(reply) as up, UpstreamClient() as client:
            fault = await fault_of(client.open(ask(up)))
            assert (fault.code, fault.status, fault.retryable) == ("upstream_protocol_error", 502, True)
            await up.closed(0)

    run(scene())


def test_u8b_redirect_is_a_protocol_error_and_never_followed(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as other:
            reply = Reply([b""], status=307, headers={"location": f"{other.url}/chat/completions"})
            async with ScriptedUpstream(reply) as up, UpstreamClient() as client:
                fault = await fault_of(client.open(ask(up)))
                assert fault.code == "upstream_protocol_error"
            assert other.requests == []

    run(scene())


def test_pooled_connection_closed_while_reused_is_replaced_once(run: Run) -> None:
    async def scene() -> None:
        # The second request on a connection finds it closed, as it happens with servers that keep it a short time.
        served: set[int] = set()

        def brain(request: Seen) -> Reply:
            if request.connection in served:
                return Reply(["close"], framing="raw")
            served.add(request.connection)
            return answer(chat_json())

        async with ScriptedUpstream(brain) as up, UpstreamClient() as client:
            for _ in range(2):
                async with await client.open(ask(up)) as exchange:
                    assert b"Hello." in await exchange.read_all(10_000)
            assert [seen.connection for seen in up.requests] == [0, 0, 1]

    run(scene())


def test_fresh_connection_closed_without_an_answer_is_not_tried_again(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(Reply(["close"], framing="raw")) as up, UpstreamClient() as client:
            fault = await fault_of(client.open(ask(up)))
            assert (fault.code, fault.status, fault.retryable) == ("upstream_error", 502, True)
            assert len(up.requests) == 1

    run(scene())


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b"])
def test_header_that_would_split_the_request_is_never_sent(run: Run, value: str) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient() as client:
            request = UpstreamRequest(url=up.url, body=b"{}", headers={"x-team": value}, provider="acme")
            fault = await fault_of(client.open(request))
            assert (fault.phase, fault.retryable) == ("setup", False)
            assert up.connections == []

    run(scene())


def test_proxy_gets_the_absolute_url_and_its_credentials(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as proxy, UpstreamClient() as client:
            request = UpstreamRequest(
                url="http://models.example/v1/chat/completions",
                body=b"{}",
                proxy=f"http://user:pw@127.0.0.1:{proxy.port}",
            )
            async with await client.open(request) as exchange:
                await exchange.read_all(10_000)
            assert proxy.requests[0].path == "http://models.example/v1/chat/completions"
            assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwdw=="
            assert proxy.requests[0].headers["host"] == "models.example"

    run(scene())


def test_client_outside_of_its_context_says_so() -> None:
    async def scene() -> None:
        with pytest.raises(RuntimeError, match="outside of its context"):
            await UpstreamClient().open(UpstreamRequest(url="http://127.0.0.1/", body=b""))

    asyncio.run(scene())
