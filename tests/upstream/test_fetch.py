"""The guarded fetcher: what it sends, whom it asks, what it gives back. Real sockets on both sides."""

import asyncio

import pytest

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.addresses import REFUSED
from antiphon.upstream.fetch import Fetched, FetchSettings, system_resolve
from tests.helpers.far_end import PNG, answer, far_end, fault, fetch


def test_image_is_fetched_with_its_type() -> None:
    assert fetch(answer(PNG, "Content-Type: IMAGE/PNG; charset=binary")) == Fetched("image/png", PNG)


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ("image/jpeg", b"\xff\xd8\xff\xe0rest"),
        ("image/jpg", b"\xff\xd8\xff\xe0rest"),
        ("image/gif", b"GIF89arest"),
        ("image/webp", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("image/avif", b"\x00\x00\x00\x1cftypavif"),
        ("image/heic", b"\x00\x00\x00\x1cftypheic"),
    ],
)
def test_each_known_image_type_passes(declared: str, body: bytes) -> None:
    fetched = fetch(answer(body, f"Content-Type: {declared}"))

    assert fetched == Fetched(declared.replace("jpg", "jpeg"), body)


def test_request_carries_the_name_and_nothing_that_identifies_anyone() -> None:
    async def main() -> tuple[int, bytes]:
        async with far_end(answer()) as far:
            await far.fetcher().fetch(far.url("/a%2Fb?sig=x%2By#part"))
            return far.port, far.requests[0]

    port, request = asyncio.run(main())
    line, *headers = request.decode().strip().split("\r\n")

    assert line == "GET /a%2Fb?sig=x%2By HTTP/1.1"
    assert {header.lower() for header in headers} <= {
        f"host: pictures.example.com:{port}",
        "accept: image/*",
        "accept-encoding: identity",
        "user-agent: antiphon",
        "connection: close",
    }


def test_cookie_of_one_answer_is_not_sent_with_the_next_request() -> None:
    async def main() -> list[bytes]:
        async with far_end(answer(PNG, "Content-Type: image/png", "Set-Cookie: a=b; Path=/")) as far:
            fetcher = far.fetcher()
            await fetcher.fetch(far.url())
            await fetcher.fetch(far.url())
            return far.requests

    requests = asyncio.run(main())

    assert len(requests) == 2
    assert not any(b"cookie" in request.lower() for request in requests)


def test_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")

    assert fetch(answer()).body == PNG


def test_name_that_changes_its_answer_is_asked_once_and_the_first_answer_is_used() -> None:
    async def main() -> tuple[list[bytes], list[bytes], list[str]]:
        async with far_end(answer()) as far, far_end(answer(), host="127.0.0.2", port=far.port) as victim:
            far.names["pictures.example.com"] = [["127.0.0.1"], ["127.0.0.2"]]
            await far.fetcher().fetch(far.url())
            return far.requests, victim.requests, far.looked_up

    near, victim, looked_up = asyncio.run(main())

    assert (len(near), victim, looked_up) == (1, [], ["pictures.example.com"])


def test_name_that_turns_private_on_the_second_fetch_is_refused_then() -> None:
    async def main() -> str:
        async with far_end(answer()) as far:
            far.names["pictures.example.com"] = [["127.0.0.1"], ["127.0.0.2"]]
            fetcher = far.fetcher()
            await fetcher.fetch(far.url())
            with pytest.raises(RequestFault) as caught:
                await fetcher.fetch(far.url())
            assert len(far.requests) == 1
            return caught.value.message

    assert asyncio.run(main()) == REFUSED


def test_private_name_gets_no_connection() -> None:
    async def main() -> int:
        async with far_end(answer()) as far:
            fetcher = far.fetcher(None, "10.9.9.9/32")
            for host in ("pictures.example.com", "127.0.0.1", "localhost"):
                with pytest.raises(RequestFault):
                    await fetcher.fetch(far.url(host=host))
            return len(far.requests)

    assert asyncio.run(main()) == 0


def test_file_of_a_named_kind_passes_and_its_faults_speak_of_files() -> None:
    kinds = ("application/pdf", "text/")

    assert fetch(answer(b"%PDF-1.7 ...", "Content-Type: application/pdf"), kinds=kinds).media_type == "application/pdf"
    assert fetch(answer(b"GIF89a is text", "Content-Type: text/plain;charset=utf-8"), kinds=kinds).body[:3] == b"GIF"
    assert fault(answer(b"MZ", "Content-Type: application/pdf"), kinds=kinds).code == "unsupported_file_type"
    assert fault(answer(b"%PDF-", "Content-Type: application/pdfx"), kinds=kinds).code == "unsupported_file_type"
    assert fault(answer(b"", "Content-Type: text/plain"), kinds=kinds).code == "empty_file"


def test_at_most_so_many_fetches_are_under_way() -> None:
    async def main() -> tuple[int, int]:
        under_way, most, enough = 0, 0, asyncio.Event()

        async def play(_: bytes, writer: asyncio.StreamWriter) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == 2:
                enough.set()
            await enough.wait()
            under_way -= 1
            await answer()(_, writer)

        async with far_end(play) as far:
            fetcher = far.fetcher(FetchSettings(total_s=10, concurrency=2))
            fetched = await asyncio.gather(*(fetcher.fetch(far.url()) for _ in range(6)))
            return most, len(fetched)

    assert asyncio.run(main()) == (2, 6)


def test_cancelled_fetch_closes_its_connection_and_frees_its_place() -> None:
    async def main() -> Fetched:
        arrived = asyncio.Event()

        async def hang(_: bytes, __: asyncio.StreamWriter) -> None:
            arrived.set()
            await asyncio.Event().wait()

        async with far_end(hang, answer()) as far:
            fetcher = far.fetcher(FetchSettings(total_s=10, concurrency=1))
            task = asyncio.create_task(fetcher.fetch(far.url()))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await fetcher.fetch(far.url())

    assert asyncio.run(main()).body == PNG


def test_operating_system_is_asked_for_addresses() -> None:
    assert "127.0.0.1" in asyncio.run(system_resolve("localhost"))
