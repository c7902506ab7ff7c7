"""From a configuration file to a tool that searches and reads, on a real web on loopback."""

import asyncio
from pathlib import Path

import msgspec
from msgspec import Raw

from antiphon.config.load import load
from antiphon.lib.clock import SystemClock
from antiphon.protocol.records import Tenant
from antiphon.protocol.request import HostedTool
from antiphon.tools.base import Caller, Outcome
from antiphon.tools.web.build import open_web_search
from antiphon.upstream.client import UpstreamClient
from tests.helpers.web import article, small_web


def searched_and_opened(tmp_path: Path, **more: object) -> tuple[Outcome, Outcome]:
    async def main() -> tuple[Outcome, Outcome]:
        async with small_web() as web, UpstreamClient() as client:
            web.page(
                "/bread", article("Bread", "Flour and water. " * 30), title="Bread", snippet="Baking", host="127.0.0.1"
            )
            search = {"engine": "searxng", "url": web.search_url, "ports": [web.port], **more}
            (tmp_path / "antiphon.yaml").write_bytes(msgspec.json.encode({"web_search": search}))
            settings = load(tmp_path / "antiphon.yaml", {})
            build = open_web_search(settings, client, monotonic=SystemClock().monotonic, new_mark=lambda: "m")
            async with build as kind:
                assert kind is not None
                asked = HostedTool("web_search", Raw(b'{"type":"web_search"}'))
                opened = await kind.open(asked, Caller(Tenant("t")))
                return await opened.call("web_search", "baking"), await opened.call("open_page", "1")

    return asyncio.run(main())


def test_settings_become_a_tool_that_searches_and_reads(tmp_path: Path) -> None:
    searched, opened = searched_and_opened(tmp_path, allow=["127.0.0.1"], cost_per_1000=5)
    assert [source.title for source in searched.sources] == ["Bread"]
    assert searched.cost_micros == 5000
    assert "Flour and water" in opened.text


def test_engine_on_a_private_address_opens_no_private_page(tmp_path: Path) -> None:
    searched, opened = searched_and_opened(tmp_path)
    assert not searched.failed
    assert opened.failed
    assert "may be fetched from here" in opened.text


def test_pages_can_be_switched_off(tmp_path: Path) -> None:
    _, opened = searched_and_opened(tmp_path, allow=["127.0.0.1"], open_pages="off")
    assert "there is no such tool" in opened.text


def test_off_is_no_tool(tmp_path: Path) -> None:
    async def main() -> bool:
        (tmp_path / "antiphon.yaml").write_text("web_search: off")
        settings = load(tmp_path / "antiphon.yaml", {})
        async with (
            UpstreamClient() as client,
            open_web_search(settings, client, monotonic=float, new_mark=str) as kind,
        ):
            return kind is None

    assert asyncio.run(main())
