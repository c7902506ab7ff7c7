"""The guarded fetcher against far ends that lie, stall, flood and lead astray. Real sockets on both sides."""

import asyncio
from collections.abc import Sequence

import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.fetch import Fetched, FetchSettings, GuardedFetcher
from tests.helpers.far_end import PNG, Script, answer, far_end, fault, redirect


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirect_is_followed_and_its_host_judged_anew(status: str) -> None:
    async def main() -> tuple[Fetched, list[str]]:
        async def elsewhere(request: bytes, writer: asyncio.StreamWriter) -> None:
            port = writer.get_extra_info("sockname")[1]
            await redirect(f"//cdn.example.com:{port}/c.png", status)(request, writer)

        async with far_end(redirect("/b.png", status), elsewhere, answer()) as far:
            return await far.fetcher().fetch(far.url()), far.looked_up

    fetched, looked_up = asyncio.run(main())

    assert fetched.body == PNG
    assert looked_up == ["pictures.example.com", "pictures.example.com", "cdn.example.com"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://private.example.com/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::1",
        "file:///etc/passwd",
        "//localhost/",
        "http://user@pictures.example.com/",
        "http://pictures.example.com:22/",
        "\\\\127.0.0.1\\a",
        "http://pictures.example.com/\x01",
        "/\xe4\x80",
        "javascript:alert(1)",
        "",
    ],
)
def test_redirect_to_where_one_may_not_go_is_refused(location: str) -> None:
    async def main() -> tuple[str | None, int]:
        async with far_end(redirect(location), answer()) as far:
            far.names["private.example.com"] = [["10.0.0.1"]]
            with pytest.raises(RequestFault) as caught:
                await far.fetcher().fetch(far.url())
            return caught.value.code, len(far.requests)

    code, requests = asyncio.run(main())

    assert requests == 1
    assert code in ("invalid_image_url", "failed_to_download_image")


def test_redirects_end_after_three() -> None:
    async def main() -> tuple[str, int]:
        async with far_end(redirect("/again")) as far:
            with pytest.raises(RequestFault) as caught:
                await far.fetcher().fetch(far.url())
            return caught.value.message, len(far.requests)

    assert asyncio.run(main()) == ("The URL redirects more than 3 times.", 4)


def _endless(chunk: bytes, *headers: str) -> Script:
    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(["HTTP/1.1 200 OK", "Content-Type: image/png", *headers, "", ""]).encode())
        while True:
            writer.write(chunk)
            await writer.drain()

    return play


@pytest.mark.parametrize(
    "script",
    [
        _endless(b"x" * 4096),
        _endless(b"1000\r\n" + b"x" * 4096 + b"\r\n", "Transfer-Encoding: chunked"),
        _endless(b"x" * 4096, "Content-Length: 999999999999"),
        answer(PNG + b"x" * 70_000),
        answer(PNG + b"x" * 70_000, length=None),
    ],
    ids=["endless", "endless chunks", "huge length", "just too large", "too large without length"],
)
def test_body_over_the_cap_is_refused(script: Script) -> None:
    refused = fault(script, settings=FetchSettings(total_s=10, max_bytes=65_536))

    assert (refused.code, "65536" in refused.message) == ("image_file_too_large", True)


@pytest.mark.parametrize("total_s", [0.3])
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"]
)
def test_slow_server_is_given_up(sent: bytes, total_s: float) -> None:
    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        await asyncio.Event().wait()

    refused = fault(play, settings=FetchSettings(total_s=total_s))

    assert (refused.code, refused.message) == (
        "failed_to_download_image",
        "The server of this URL did not answer in time.",
    )


def test_slow_name_server_is_given_up() -> None:
    async def never(_: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    fetcher = GuardedFetcher(FetchSettings(total_s=0.1), resolve=never)
    with pytest.raises(RequestFault, match="in time"):
        asyncio.run(fetcher.fetch("http://pictures.example.com/"))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer(PNG, "Content-Type: text/html"), "unsupported_image_media_type"),
        (answer(PNG, "X-No-Type: 1"), "unsupported_image_media_type"),
        (answer(PNG, "Content-Type: image/jpeg"), "unsupported_image_media_type"),
        (answer(b"<svg onload=alert(1)>", "Content-Type: image/svg+xml"), "unsupported_image_media_type"),
        (answer(b"<html>", "Content-Type: image/png"), "unsupported_image_media_type"),
        (answer(PNG, "Content-Type: " + "x" * 300 + "<script>/y"), "unsupported_image_media_type"),
        (answer(b""), "empty_image_file"),
        (answer(PNG, status="404 Not Found"), "failed_to_download_image"),
        (answer(PNG, status="206 Partial Content"), "failed_to_download_image"),
        (answer(PNG, status="304 Not Modified"), "failed_to_download_image"),
        (answer(PNG, "Content-Type: image/png", "Content-Encoding: gzip"), "failed_to_download_image"),
        (
            answer(PNG, "Content-Type: image/png", "Content-Encoding: identity", "Content-Encoding: br"),
            "failed_to_download_image",
        ),
        (answer(PNG + b"more", length=len(PNG)), "failed_to_download_image"),
        (answer(PNG, length=4000), "failed_to_download_image"),
        (answer(PNG, "Content-Type: image/png", "Content-Length: 3", length=9), "failed_to_download_image"),
        (answer(PNG, "Content-Type: image/png", "X-Big: " + "x" * 100_000), "failed_to_download_image"),
        (answer(PNG, "Content-Type: image/png", *(f"X-{n}: y" for n in range(5000))), "failed_to_download_image"),
    ],
)
def test_bad_answer_is_refused(script: Script, code: str) -> None:
    refused = fault(script)

    assert refused.code == code
    assert "<script>" not in refused.message


def test_server_that_does_not_speak_http_is_refused() -> None:
    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")

    assert fault(play).code == "failed_to_download_image"


def test_server_that_hangs_up_is_refused() -> None:
    async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert fault(play).code == "failed_to_download_image"


def test_nobody_listening_is_refused() -> None:
    async def main() -> RequestFault:
        async with far_end(answer()) as far:
            pass
        with pytest.raises(RequestFault) as caught:
            await far.fetcher().fetch(far.url())
        return caught.value

    refused = asyncio.run(main())

    assert refused.code == "failed_to_download_image"
    assert "127.0.0.1" not in refused.message
