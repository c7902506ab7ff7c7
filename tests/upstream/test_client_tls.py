"""TLS towards providers: always verified, dropped hard, and row U3 of docs/faults.md."""

import asyncio
import ssl
from pathlib import Path

import pytest

from antiphon.protocol.exchange import UpstreamRequest
from antiphon.upstream.client import UpstreamClient
from tests.helpers.exchanges import Run, fault_of, read_to_end
from tests.helpers.upstream import Reply, ScriptedUpstream, answer, chat_json, stream


def trusting(up: ScriptedUpstream, ca_file: Path | None) -> UpstreamRequest:
    return UpstreamRequest(url=up.url, body=b"{}", provider="acme", ca_file=None if ca_file is None else str(ca_file))


def test_certificate_of_a_configured_authority_is_accepted(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json()), tls=server_tls) as up, UpstreamClient() as client:
            for _ in range(2):
                async with await client.open(trusting(up, certificate)) as exchange:
                    assert b"Hello." in await exchange.read_all(10_000)
            assert [seen.connection for seen in up.requests] == [0, 0]

    run(scene())


def test_u3_unknown_authority_is_refused_before_anything_is_sent(run: Run, server_tls: ssl.SSLContext) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json()), tls=server_tls) as up, UpstreamClient() as client:
            fault = await fault_of(client.open(trusting(up, None)))
            assert (fault.code, fault.status, fault.phase) == ("upstream_unreachable", 502, "tls")
            assert fault.elsewhere_only
            assert up.requests == []

    run(scene())


def test_u3_certificate_for_another_name_is_refused(run: Run, server_tls: ssl.SSLContext, certificate: Path) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json()), tls=server_tls) as up, UpstreamClient() as client:
            url = f"https://127.0.0.1:{up.port}/v1"
            request = UpstreamRequest(url=url, body=b"{}", provider="acme", ca_file=str(certificate))
            assert (await fault_of(client.open(request))).phase == "tls"
            assert up.requests == []

    run(scene())


def test_u3_provider_that_does_not_speak_tls_is_unreachable(run: Run) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient() as client:
            request = UpstreamRequest(url=f"https://localhost:{up.port}/v1", body=b"{}", first_byte_s=1.0)
            assert (await fault_of(client.open(request))).status in {502, 504}
            assert up.requests == []

    run(scene())


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_authority_file_that_cannot_be_read_is_a_fault(run: Run, tmp_path: Path, content: str | None) -> None:
    async def scene() -> None:
        path = tmp_path / "other.pem"
        if content is not None:
            path.write_text(content)
        async with ScriptedUpstream(answer(chat_json())) as up, UpstreamClient() as client:
            fault = await fault_of(client.open(trusting(up, path)))
            assert (fault.code, fault.phase) == ("upstream_unreachable", "setup")

    run(scene())


def test_closing_in_the_middle_reaches_a_tls_peer_at_once(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream(b"data: 1\n\n", "stall"), tls=server_tls) as up, UpstreamClient() as client:
            exchange = await client.open(trusting(up, certificate))
            assert await exchange.read() == b"data: 1\n\n"
            exchange.close()
            await up.closed(0)

    run(scene())


def test_stall_over_tls_is_noticed(run: Run, server_tls: ssl.SSLContext, certificate: Path) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(stream(b"data: 1\n\n", "stall"), tls=server_tls) as up, UpstreamClient() as client:
            request = UpstreamRequest(url=up.url, body=b"{}", ca_file=str(certificate), idle_s=0.05)
            async with await client.open(request) as exchange:
                assert await exchange.read() == b"data: 1\n\n"
                assert (await fault_of(exchange.read())).code == "upstream_stall"
            await up.closed(0)

    run(scene())


def test_cancelled_wait_for_the_status_reaches_a_tls_peer_at_once(
    run: Run, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(Reply(["stall"], framing="raw"), tls=server_tls) as up, UpstreamClient() as client:
            waiting = asyncio.create_task(client.open(trusting(up, certificate)))
            await up.received(1)
            waiting.cancel()
            await up.closed(0)
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(scene())


@pytest.mark.parametrize(("reply", "code"), [
    (Reply([b"data: 1\n\n"], framing="eof"), None),
    (Reply([b"data: 1\n\n", "close"], framing="chunked"), "upstream_reset"),
    (Reply([b"data: 1\n\n", "reset"], framing="chunked"), "upstream_reset"),
])  # fmt: skip
def test_ends_of_a_body_over_tls_are_told_from_cuts(
    run: Run, server_tls: ssl.SSLContext, certificate: Path, reply: Reply, code: str | None
) -> None:
    async def scene() -> None:
        async with (
            ScriptedUpstream(reply, tls=server_tls) as up,
            UpstreamClient() as client,
            await client.open(trusting(up, certificate)) as exchange,
        ):
            received, fault = await read_to_end(exchange)
            assert received == b"data: 1\n\n"
            assert (fault.code if fault is not None else None) == code

    run(scene())


def test_long_bodies_go_both_ways_over_tls_at_once(run: Run, server_tls: ssl.SSLContext, certificate: Path) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(Reply([b"y" * 5_000_000]), tls=server_tls) as up, UpstreamClient() as client:
            request = UpstreamRequest(url=up.url, body=b"x" * 5_000_000, ca_file=str(certificate))
            async with await client.open(request) as exchange:
                assert await read_to_end(exchange) == (b"y" * 5_000_000, None)
            assert up.requests[0].body == request.body

    run(scene())
