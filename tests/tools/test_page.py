"""Pages over real sockets: what is read of them, and what hostile ones cannot do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from antiphon.protocol.records import Tenant
from antiphon.tools.web.cache import TenantCache
from antiphon.tools.web.domains import DomainFilter
from antiphon.tools.web.extract import Page
from antiphon.tools.web.page import PageFault, PageReader, PageSettings
from antiphon.tools.web.robots import Robots
from antiphon.tools.web.shown import found_places
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher
from tests.helpers.web import SmallWeb, article, moved, reply, silence, small_web

T = TypeVar("T")
ANYWHERE = DomainFilter()
BREAD = article(
    "How to bake bread",
    "Bread is made of flour, water, salt and <a href='/yeast'>yeast</a>, and it has been so for thousands of years.",
    "It is baked in a hot oven for forty minutes, until it sounds hollow when somebody knocks at its bottom.",
)


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def reader(web: SmallWeb, *, clock: Callable[[], float] = float, **settings: object) -> PageReader:
    """Loopback is permitted for the names of the small web only."""
    policy = AddressPolicy.allowing(["site.example.com", "other.example.com"], ports=[web.port])
    chosen = replace(PageSettings(policy=policy, total_s=10.0), **settings)
    return PageReader(chosen, monotonic=clock, resolve=web.resolve)


def run(play: Callable[[SmallWeb], Awaitable[T]]) -> T:
    async def main() -> T:
        async with small_web() as web:
            return await play(web)

    return asyncio.run(main())


def read(path: str, prepare: Callable[[SmallWeb], object], **settings: object) -> Page:
    async def play(web: SmallWeb) -> Page:
        prepare(web)
        pages = reader(web, clock=Now(), **settings)
        try:
            return await pages.read(Tenant("t"), web.url(path), domains=ANYWHERE)
        finally:
            pages.close()

    return run(play)


def refused(path: str, prepare: Callable[[SmallWeb], object], **settings: object) -> str:
    with pytest.raises(PageFault) as caught:
        read(path, prepare, **settings)
    return str(caught.value)


def serve(path: str, body: bytes, kind: str = "text/html", *headers: str) -> Callable[[SmallWeb], object]:
    return lambda web: web.paths.update({path: reply(body, kind, "200 OK", *headers)})


def test_page_is_its_title_and_its_main_text_as_markdown() -> None:
    page = read("/bread", lambda web: web.page("/bread", BREAD))
    assert page.title == "How to bake bread"
    assert "# How to bake bread" in page.text
    assert "[yeast](http://site.example.com:" in page.text
    assert "hollow" in page.text
    for noise in ("Home", "All rights reserved", "alert"):
        assert noise not in page.text
    assert not page.cut


def test_plain_text_and_json_are_read_as_they_are() -> None:
    assert read("/a", serve("/a", "Grüße\n<b>".encode(), "text/plain; charset=utf-8")).text == "Grüße\n<b>"
    assert read("/a", serve("/a", b'{"a": 1}', "application/json")).text == '{"a": 1}'
    assert read("/a", serve("/a", "Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1")).text == "Grüße"
    for charset in ("no-such", "idna", "undefined", "hex"):
        assert read("/a", serve("/a", b"x", f"text/plain; charset={charset}")).text == "x"


def test_a_charset_that_is_none_takes_no_time() -> None:
    body = b"a" * 500_000 + b"-" + b"b" * 500_000
    page = read("/a", serve("/a", body, "text/plain; charset=punycode"))  # a minute as what it claims to be
    assert len(page.text) == len(body)


def test_charset_of_a_page_may_stand_in_the_page() -> None:
    html = BREAD.replace("<title>", '<meta charset="iso-8859-1"><title>').replace("hollow", "hohl wie Käse")
    assert "Käse" in read("/a", serve("/a", html.encode("latin-1"))).text


def test_a_host_in_any_script_is_read_under_the_name_that_it_is_looked_up_by() -> None:
    async def play(web: SmallWeb) -> Page:
        web.paths["/brot"] = reply(BREAD.encode())
        policy = AddressPolicy.allowing(["xn--bcher-kva.example.com"], ports=[web.port])
        pages = PageReader(PageSettings(policy=policy, total_s=10.0), monotonic=Now(), resolve=web.resolve)
        try:
            only = DomainFilter(allowed=("xn--bcher-kva.example.com",))
            return await pages.read(Tenant("t"), web.url("/brot", "bücher.example.com"), domains=only)
        finally:
            pages.close()

    page = run(play)
    assert "hollow" in page.text
    assert "//xn--bcher-kva.example.com:" in page.url


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("\u2024\u2024", "not a valid name"),
        ("\u24dbocalhost", "may be fetched"),
        ("\uff1127.0.0.1", "may be fetched"),
        ("b\xfccher..com", "not the address"),
        ("[fe80::1%\xfc]", "plain ASCII"),
    ],
)
def test_names_in_other_scripts_lead_nowhere_else(host: str, said: str) -> None:
    async def play(web: SmallWeb) -> str:
        web.paths["/"] = reply(BREAD.encode())
        pages = reader(web, clock=Now())
        try:
            with pytest.raises(PageFault) as caught:
                await pages.read(Tenant("t"), web.url("/", host), domains=ANYWHERE)
        finally:
            pages.close()
        return str(caught.value)

    assert said in run(play)


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/octet-stream", "video/mp4"])
def test_what_is_no_text_is_refused(kind: str) -> None:
    assert "not one of" in refused("/a", serve("/a", b"%PDF-1.7", kind))


def test_huge_page_is_read_up_to_its_bound() -> None:
    page = read("/a", serve("/a", b"word " * 100_000, "text/plain"), max_bytes=10_000)
    assert len(page.text) == 10_000
    assert page.cut


def test_huge_hostile_html_is_read_in_bounded_time() -> None:
    page = read("/a", serve("/a", b"<html><body>" + b"<p>word word word.</p>" * 60_000), total_s=60.0)
    assert page.cut


def test_slow_page_is_given_up() -> None:
    said = refused("/a", lambda web: web.paths.update({"/a": silence}), total_s=0.3, robots=False)
    assert "in time" in said or "took too long" in said


def test_page_without_text_says_so() -> None:
    assert "no text" in refused("/a", serve("/a", b"<html><body><script>draw()</script></body></html>"))


def test_status_of_the_site_is_told() -> None:
    assert "status 404" in refused("/nowhere", lambda _: None)


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "169.254.169.254", "::1"])
def test_private_address_is_refused_also_behind_a_redirect(address: str) -> None:
    async def play(web: SmallWeb) -> tuple[list[str], list[str]]:
        web.names["inside.example.com"] = [address]
        web.paths["/a"] = moved(web.url("/secret", "inside.example.com"))
        web.paths["/secret"] = reply(b"secret", "text/plain")
        pages = reader(web)
        said = []
        for url in (web.url("/secret", "inside.example.com"), web.url("/a")):
            with pytest.raises(PageFault) as caught:
                await pages.read(Tenant("t"), url, domains=ANYWHERE)
            said.append(str(caught.value))
        pages.close()
        return said, web.asked

    said, asked = run(play)
    assert all("may be fetched from here" in one for one in said)
    assert "/secret" not in asked


def test_redirect_out_of_the_domains_is_not_followed() -> None:
    async def play(web: SmallWeb) -> tuple[str, list[str]]:
        web.paths["/a"] = moved(web.url("/b", "other.example.com"))
        web.page("/b", BREAD)
        pages = reader(web)
        with pytest.raises(PageFault) as caught:
            await pages.read(Tenant("t"), web.url("/a"), domains=DomainFilter(("site.example.com",)))
        pages.close()
        return str(caught.value), web.asked

    said, asked = run(play)
    assert "not in the domains" in said
    assert "/b" not in asked


def test_redirect_tells_where_the_page_really_is() -> None:
    def prepare(web: SmallWeb) -> None:
        web.paths["/a"] = moved(web.url("/b", "other.example.com"))
        web.page("/b", BREAD)

    assert read("/a", prepare).url.endswith("/b")


def test_robots_txt_is_obeyed_on_every_host_and_asked_once() -> None:
    async def play(web: SmallWeb) -> tuple[list[str], list[str]]:
        web.paths["/robots.txt"] = reply(
            b"User-agent: *\nDisallow: /no\n\nUser-agent: Antiphon\nDisallow: /b*t\n", "text/plain"
        )
        web.paths["/a"] = moved(web.url("/bt", "other.example.com"))
        web.page("/no", BREAD)
        web.page("/bt", BREAD)
        pages = reader(web)
        said = []
        for path in ("/bt", "/a"):
            with pytest.raises(PageFault) as caught:
                await pages.read(Tenant("t"), web.url(path), domains=ANYWHERE)
            said.append(str(caught.value))
        await pages.read(Tenant("t"), web.url("/no"), domains=ANYWHERE)  # the group of our name alone counts
        pages.close()
        return said, web.asked

    said, asked = run(play)
    assert all("robots.txt does not permit" in one for one in said)
    assert asked == ["/robots.txt", "/a", "/robots.txt", "/no"]


@pytest.mark.parametrize(
    ("respond", "permitted"),
    [
        (reply(b"", "text/plain", "404 Not Found"), True),
        (reply(b"", "text/plain", "403 Forbidden"), True),
        (reply(b"", "text/plain", "503 Unavailable"), False),
        (reply(b"\x89PNG", "image/png"), True),
        (reply(b"User-agent: *\nDisallow: /\n" + b"#" * 600_000, "text/plain"), False),
        (reply(b"", "text/plain"), True),
    ],
)
def test_robots_txt_that_is_not_there_permits_and_one_that_is_broken_does_not(
    respond: Callable[[asyncio.StreamWriter], Awaitable[None]], permitted: bool
) -> None:
    def prepare(web: SmallWeb) -> None:
        web.paths["/robots.txt"] = respond
        web.page("/a", BREAD)

    if permitted:
        assert read("/a", prepare).text
    else:
        assert "robots.txt" in refused("/a", prepare)
    assert read("/a", prepare, robots=False).text


def test_what_is_kept_of_sites_without_rules_is_bounded() -> None:
    async def play(web: SmallWeb) -> list[str]:
        policy = AddressPolicy.allowing([f"{name}.example.com" for name in "abcde"], ports=[web.port])
        kept: TenantCache[Any] = TenantCache(max_bytes=2100, keep_s=900.0, monotonic=Now())
        robots = Robots(GuardedFetcher(FetchSettings(policy=policy), resolve=web.resolve), kept)
        for name in ("a", "b", "c", "d", "e", "a"):
            assert await robots.permits(Tenant("t"), web.url("/", f"{name}.example.com"))
        return web.asked

    assert len(run(play)) == 6  # room for four


def test_page_is_kept_for_its_tenant_for_its_time() -> None:
    async def play(web: SmallWeb) -> list[str]:
        clock = Now()
        pages = reader(web, clock=clock, robots=False, cache_s=100.0)
        web.page("/a", BREAD)
        for tenant, at, fragment in (("t1", 0, ""), ("t1", 50, "#part"), ("t2", 60, ""), ("t1", 101, "")):
            clock.seconds = at
            await pages.read(Tenant(tenant), web.url("/a") + fragment, domains=ANYWHERE)
        pages.close()
        return web.asked

    assert run(play) == ["/a", "/a", "/a"]


def test_kept_pages_are_bounded() -> None:
    async def play(web: SmallWeb) -> list[str]:
        pages = reader(web, robots=False, cache_bytes=20_000)
        for name in ("/a", "/b", "/c", "/d", "/d", "/a"):
            web.paths[name] = reply(b"x" * 1000, "text/plain")
            await pages.read(Tenant("t"), web.url(name), domains=ANYWHERE)
        web.paths["/large"] = reply(b"x" * 9000, "text/plain")
        for _ in range(2):
            await pages.read(Tenant("t"), web.url("/large"), domains=ANYWHERE)
        pages.close()
        return web.asked

    # Four of the small ones fit; what alone takes more than a quarter is not kept.
    assert run(play) == ["/a", "/b", "/c", "/d", "/large", "/large"]


def test_cancel_closes_the_connection() -> None:
    async def play(web: SmallWeb) -> bool:
        web.paths["/a"] = silence
        pages = reader(web, robots=False)
        task = asyncio.create_task(pages.read(Tenant("t"), web.url("/a"), domains=ANYWHERE))
        await web.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pages.close()
        return await asyncio.wait_for(web.left.wait(), 5)

    assert run(play)


def test_places_on_a_hostile_page_are_counted_up_to_a_bound() -> None:
    begun = time.process_time()
    said = found_places(Page("https://a.example", "", "a" * 2_000_000), "a", mark="m")
    assert "1000 places or more, the first 8:" in said
    said = found_places(Page("https://a.example", "", ("a " * 99 + "b ") * 10_000), "a " * 100, mark="m")
    assert "or more" in said
    assert time.process_time() - begun < 1.0
