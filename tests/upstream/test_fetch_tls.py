"""The guarded fetcher over TLS: the name of the URL is asked for and verified, whatever address is connected to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher
from tests.helpers.far_end import PNG, Far, Script, answer, far_end, redirect

# A throw-away key and its self-signed certificate for pictures.example.com, good for a century and for nothing else.
IDENTITY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgM/sa6whiUEtcYGCf
Bs0tiXCbZ7InLwfk01JRMp1Xaa6hRANCAAQdBvqH241zf8rrBAfRHD2MLxkDCKVf
dRTRnEta1o+ne1gwXNhE0032IPTfIshMr7sqeHxDNPEZfxv6jdaQseTD
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBtzCCAVygAwIBAgIUe7AgjzR78Tfr/JgG4exUXV8VClIwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUcGljdHVyZXMuZXhhbXBsZS5jb20wIBcNMjYxMTIyMTMzMzE5
WhgPMjEyNjEwMjkxMzMzMTlaMB8xHTAbBgNVBAMMFHBpY3R1cmVzLmV4YW1wbGUu
Y29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHQb6h9uNc3/K6wQH0Rw9jC8Z
AwilX3UU0ZxLWtaPp3tYMFzYRNNN9iD03yLITK+7Knh8QzTxGX8b+o3WkLHkw6N0
MHIwHQYDVR0OBBYEFD6o/st70o5VNmeyTq+h9mH/RBsoMB8GA1UdIwQYMBaAFD6o
/st70o5VNmeyTq+h9mH/RBsoMA8GA1UdEwEB/wQFMAMBAf8wHwYDVR0RBBgwFoIU
cGljdHVyZXMuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSQAwRgIhALMebWZdyrlS
rwTOll2ezFoapzZR7Lr7ieV5Jl6iwYIPAiEAqOp0vPu8wDIc3fsDrOia540gEcS2
8AKZFOx0/20/jpM=
-----END CERTIFICATE-----
"""


@asynccontextmanager
async def tls_far_end(directory: Path, *scripts: Script) -> AsyncIterator[tuple[Far, GuardedFetcher]]:
    pem = directory / "identity.pem"
    pem.write_text(IDENTITY)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    async with far_end(*scripts, tls=server) as far:
        settings = FetchSettings(policy=AddressPolicy.allowing(["127.0.0.1/32"], ports=[far.port, 80]), total_s=10)
        yield far, GuardedFetcher(settings, resolve=far.resolve, tls=ssl.create_default_context(cafile=str(pem)))


def test_certificate_of_the_name_is_verified_although_the_address_was_pinned(tmp_path: Path) -> None:
    async def main() -> tuple[bytes, str | None]:
        async with tls_far_end(tmp_path, answer()) as (far, fetcher):
            fetched = await fetcher.fetch(far.url(scheme="https"))
            with pytest.raises(RequestFault) as caught:
                await fetcher.fetch(far.url(scheme="https", host="other.example.com"))
            return fetched.body, caught.value.code

    assert asyncio.run(main()) == (PNG, "failed_to_download_image")


def test_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    async def main() -> tuple[str, int]:
        async with tls_far_end(tmp_path, redirect("http://pictures.example.com/a.png")) as (far, fetcher):
            with pytest.raises(RequestFault) as caught:
                await fetcher.fetch(far.url(scheme="https"))
            return caught.value.message, len(far.requests)

    assert asyncio.run(main()) == ("The URL redirects from https to http.", 1)


def _client_hello_name(hello: bytes) -> bytes:
    """The server name in a TLS ClientHello, found by its extension's fixed prefix (type 0, one host_name entry)."""
    for length in range(1, 100):
        size = length.to_bytes(2, "big")
        prefix = b"\x00\x00" + (length + 5).to_bytes(2, "big") + (length + 3).to_bytes(2, "big") + b"\x00" + size
        at = hello.find(prefix)
        if at >= 0:
            return hello[at + len(prefix) : at + len(prefix) + length]
    return b""


def test_tls_asks_for_the_name_not_for_the_address_and_never_goes_on_without() -> None:
    async def main() -> tuple[bytes, str | None]:
        hello = asyncio.get_running_loop().create_future()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            hello.set_result(await reader.read(4096))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        far = Far(port=server.sockets[0].getsockname()[1])
        async with server:
            with pytest.raises(RequestFault) as caught:
                await far.fetcher().fetch(far.url(scheme="https"))
        return await hello, caught.value.code

    seen, code = asyncio.run(main())

    assert (_client_hello_name(seen), code) == (b"pictures.example.com", "failed_to_download_image")
