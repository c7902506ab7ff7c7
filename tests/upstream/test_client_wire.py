"""HTTP/1.1 as providers speak it, well and badly: what is an answer, what is none, and which connections live on."""

import asyncio
import socket
import threading

import pytest

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, ask, exchange_with, fault_of, read_to_end
from tests.helpers.far_end import far_end
from tests.helpers.upstream import Part, Reply, ScriptedUpstream, answer, chat_json

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(("sent", "status", "body"), [
    (OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    (OK + b"content-length: 0\r\n\r\n", 200, b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi"),
    (OK + b"\r\nhi", 200, b"hi"),
    (OK + b"connection: close\r\n\r\nhi", 200, b"hi"),
    (OK + b"transfer-encoding: identity\r\n\r\nhi", 200, b"hi"),
    (OK + b"transfer-encoding:chunked \r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi"),
    (OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", 200, b"hi"),
    (OK + b"transfer-encoding: chunked\r\n\r\n1;a=b\r\nh\r\n01 \r\ni\r\n0;c\r\nx-sum: 5\r\nstatus: 1\r\n\r\n", 200, b"hi"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\ncontent-encoding: br\r\n\r\n" * 3 + OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    (OK + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    (b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", 413, b"hi"),
])  # fmt: skip
def test_every_way_to_frame_an_answer_is_understood(run: Run, sent: bytes, status: int, body: bytes) -> None:
    async def scene() -> None:
        for parts in ([sent], [bytes([byte]) for byte in sent]):
            async with exchange_with(Reply(parts, framing="raw")) as (_up, exchange):
                assert exchange.status == status
                assert "link" not in exchange.headers
                assert "x-sum" not in exchange.headers
                assert await read_to_end(exchange) == (body, None)

    run(scene())


@pytest.mark.parametrize(("sent", "reused"), [
    (OK + b"content-length: 2\r\n\r\nhi", True),
    (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 5\r\n\r\n", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi", True),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", False),
    (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", False),
    (OK + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", False),
    (OK + b"content-length: 2\r\n\r\nhi, and more", False),
    (OK + b"content-length: 2\r\n\r\nhi" + OK + b"content-length: 4\r\n\r\nevil", False),
    (OK + b"content-length: 2\r\n\r\nhi" + OK[:6], False),
    (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 2", False),
])  # fmt: skip
def test_connection_is_used_again_only_when_its_answer_ended_cleanly(run: Run, sent: bytes, reused: bool) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(Reply([sent, "stall"], framing="raw")) as up, UpstreamClient() as client:
            async with await client.open(ask(up)) as exchange:
                assert (await read_to_end(exchange))[0] in {b"hi", b""}
            if not reused:
                await up.closed(0)
            again = asyncio.create_task(client.open(ask(up)))
            await up.received(2)
            again.cancel()
            await asyncio.wait([again])
            assert [seen.connection for seen in up.requests] == [0, 0 if reused else 1]

    run(scene())


def test_connection_is_free_once_the_body_arrived_even_if_nobody_read_it(run: Run) -> None:
    async def scene() -> None:
        replies = [answer(chat_json("first")), answer(chat_json("second"))]
        async with ScriptedUpstream(replies) as up, UpstreamClient() as client:
            first = await client.open(ask(up))
            async with await client.open(ask(up)) as second:
                assert b"second" in await second.read_all(10_000)
            assert b"first" in await first.read_all(10_000)
            first.close()
            assert [seen.connection for seen in up.requests] == [0, 0]

    run(scene())


@pytest.mark.parametrize("sent", [
    [b"220 smtp.example ESMTP\r\n"],
    [b"\x15\x03\x01\x00\x02\x02\x46"],
    [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"],
    [b"HTTP/1.1 099 What\r\n\r\n"],
    [OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    [OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    [OK + b"content-length: -1\r\n\r\n"],
    [OK + b"no colon here\r\n\r\n"],
    [OK, *(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(400))],
    [OK + b"x: ", *[b"y" * 30_000] * 20],
    [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 20,
])  # fmt: skip
def test_u11_what_is_no_answer_is_refused_and_never_waited_for(run: Run, sent: list[Part]) -> None:
    async def scene() -> None:
        reply = Reply([*sent, "stall"], framing="raw")
        async with ScriptedUpstream(reply) as up, UpstreamClient() as client:
            fault = await fault_of(client.open(ask(up)))
            assert (fault.code, fault.phase, fault.retryable) == ("upstream_protocol_error", "head", True)
            await up.closed(0)

    run(scene())


@pytest.mark.parametrize("endless", [
    [b"5;" + b"x" * 50_000] + [b"y" * 50_000] * 10,
    [b"0\r\n"] + [b"x-trailer: " + b"y" * 50_000 + b"\r\n"] * 10,
    [b"0\r\nx: "] + [b"y" * 50_000] * 10,
    [b"fffffffffffffffffff\r\n"],
    [b"5\r\nhello!!"],
])  # fmt: skip
def test_u11_framing_without_an_end_is_a_fault_and_no_hang(run: Run, endless: list[Part]) -> None:
    async def scene() -> None:
        head = OK + b"transfer-encoding: chunked\r\n\r\n"
        async with exchange_with(Reply([head, b"2\r\nhi\r\n", *endless, "stall"], framing="raw")) as (up, exchange):
            received, fault = await read_to_end(exchange)
            assert received in {b"hi", b"hihello"}
            assert fault is not None
            assert fault.code == "upstream_reset"
            await up.closed(0)

    run(scene())


def test_ten_thousand_tiny_chunks_are_one_body(run: Run) -> None:
    async def scene() -> None:
        chunks: list[Part] = [b"%d," % number for number in range(10_000)]
        async with exchange_with(Reply(chunks, framing="chunked")) as (_up, exchange):
            received, fault = await read_to_end(exchange)
            assert fault is None
            assert received == b"".join(part for part in chunks if isinstance(part, bytes))

    run(scene())


def test_u4_head_that_drips_in_is_out_of_time_like_one_that_never_comes(run: Run) -> None:
    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"x: ")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def scene() -> None:
        async with far_end(drip) as far, UpstreamClient() as client:
            request = UpstreamRequest(url=f"http://127.0.0.1:{far.port}/", body=b"{}", first_byte_s=0.2)
            assert (await fault_of(client.open(request))).code == "upstream_timeout"

    run(scene())


@pytest.mark.parametrize("framing", [b"content-length: 8\r\n\r\n", b"connection: close\r\n\r\n"])
@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_refusal_before_the_request_was_read_is_given(run: Run, framing: bytes, size: int) -> None:
    # In a thread, so that the refusal and the reset behind it come while the request is being written.
    def refuse(listening: socket.socket) -> None:
        for _ in range(20):
            accepted, _address = listening.accept()
            with accepted:
                accepted.recv(100)
                accepted.sendall(b"HTTP/1.1 413 Too Large\r\n" + framing + b"too much")

    async def scene(port: int) -> None:
        async with UpstreamClient() as client:
            request = UpstreamRequest(url=f"http://127.0.0.1:{port}/", body=b"x" * size)
            for _ in range(20):
                async with await client.open(request) as exchange:
                    assert exchange.status == 413
                    assert await read_to_end(exchange) == (b"too much", None)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=refuse, args=(listening,))
        thread.start()
        run(scene(listening.getsockname()[1]))
        thread.join()


def test_reset_behind_a_good_answer_without_declared_end_is_a_cut(run: Run) -> None:
    async def scene() -> None:
        async with exchange_with(Reply([b"data: 1\n\n", "reset"], framing="eof")) as (_up, exchange):
            received, fault = await read_to_end(exchange)
            assert received == b"data: 1\n\n"
            assert fault is not None
            assert fault.code == "upstream_reset"

    run(scene())


def test_headers_are_found_in_any_case_and_the_first_of_two_counts(run: Run) -> None:
    async def scene() -> None:
        sent = OK + b"Content-Length: 0\r\nX-Request-Id: r1\r\nx-request-id: r2\r\nX-Name: caf\xe9\r\n\r\n"
        async with exchange_with(Reply([sent], framing="raw")) as (_up, exchange):
            assert dict(exchange.headers) == {"content-length": "0", "x-request-id": "r1", "x-name": "caf\xe9"}
            assert exchange.headers["X-REQUEST-ID"] == exchange.headers.get("x-request-id") == "r1"
            assert "x-\u2603" not in exchange.headers
            assert (exchange.content_type, len(exchange.headers)) == ("", 3)

    run(scene())
