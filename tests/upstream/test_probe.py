"""The probe: one GET, whole or in time, and failures as the same faults that requests have."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.probe import Probed, probe
from tests.helpers.upstream import Gate, Part, Reply, Script, ScriptedUpstream, answer


def probed(script: Script, *, timeout_s: float = 10.0) -> tuple[Probed, ScriptedUpstream]:
    async def scene() -> tuple[Probed, ScriptedUpstream]:
        async with ScriptedUpstream(script) as up:
            request = UpstreamRequest(url=f"{up.url}/models", body=b"x", headers={"authorization": "Bearer sk-1"})
            return await probe(request, timeout_s=timeout_s), up

    return asyncio.run(scene())


def fault_of(request: UpstreamRequest) -> NetworkFault:
    with pytest.raises(NetworkFault) as caught:
        asyncio.run(probe(request))
    return caught.value


def test_get_with_headers_and_without_body() -> None:
    found, up = probed(answer({"data": []}))
    assert (found.status, found.body, found.date) == (200, b'{"data":[]}', None)
    (seen,) = up.requests
    assert (seen.method, seen.path, seen.body) == ("GET", "/v1/models", b"")
    assert seen.headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(("date", "seconds"), [("Fri, 15 Jan 2027 08:00:00 GMT", 1_800_000_000.0), ("tomorrow", None)])
def test_clock_of_the_far_end_is_read_where_it_makes_sense(date: str, seconds: float | None) -> None:
    assert probed(answer({}, headers={"date": date}))[0].date == seconds


def test_redirect_is_an_answer_and_not_followed() -> None:
    found, up = probed(answer({}, status=302, headers={"location": "http://127.0.0.1:1/"}))
    assert found.status == 302
    assert len(up.requests) == 1


def test_answer_in_pieces_is_read_whole_up_to_the_cap() -> None:
    assert probed(Reply([b"a" * 1000, b"b" * 1000], framing="chunked"))[0].body == b"a" * 1000 + b"b" * 1000
    assert len(probed(answer(b"x" * 1_000_000))[0].body) == 64 * 1024


def test_silence_is_a_fault_in_time() -> None:
    with pytest.raises(NetworkFault) as caught:
        probed(Reply([Gate()], framing="raw"), timeout_s=0.2)
    assert caught.value.code == "upstream_timeout"


def test_nobody_there_is_a_fault_that_says_so() -> None:
    assert fault_of(UpstreamRequest(url="http://127.0.0.1:1/", body=b"")).phase == "connect"


@pytest.mark.parametrize("url", ["ftp://somewhere/", "http://"])
def test_address_that_is_none_is_a_fault_of_the_setup(url: str) -> None:
    assert fault_of(UpstreamRequest(url=url, body=b"")).phase == "setup"


def test_hang_up_and_no_http_are_faults() -> None:
    hang_up: Sequence[Part] = ["reset"]
    for parts in (hang_up, [b"not http at all\r\n\r\n"]):
        with pytest.raises(NetworkFault) as caught:
            probed(Reply(parts, framing="raw"))
        assert caught.value.phase == "head"


def test_certificates_are_verified_with_the_configured_authority(certificate: Path, server_tls: ssl.SSLContext) -> None:
    async def scene() -> None:
        async with ScriptedUpstream(answer({}), tls=server_tls) as up:
            trusting = UpstreamRequest(url=up.url, body=b"", ca_file=str(certificate))
            assert (await probe(trusting)).status == 200
            with pytest.raises(NetworkFault) as caught:
                await probe(UpstreamRequest(url=up.url, body=b""))
            assert caught.value.phase == "tls"

    asyncio.run(scene())


def test_authority_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert (
        fault_of(UpstreamRequest(url="https://localhost:1/", body=b"", ca_file=str(tmp_path / "no"))).phase == "setup"
    )
