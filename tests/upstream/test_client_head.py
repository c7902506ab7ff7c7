"""How a request begins on the wire, and what cannot be sent at all."""

import pytest

from antiphon import __version__
from antiphon.protocol.exchange import NetworkFault, UpstreamRequest
from antiphon.upstream.head import Origin, Routes, plan

USUAL = f"accept: */*\r\naccept-encoding: identity\r\nuser-agent: antiphon/{__version__}\r\n".encode()


@pytest.mark.parametrize(("url", "line", "host", "origin"), [
    ("http://models.example", "/", "models.example", (False, "models.example", 80)),
    ("https://models.example:443/v1/chat?api-version=1", "/v1/chat?api-version=1", "models.example", (True, "models.example", 443)),
    ("https://models.example:8443/v1#top", "/v1", "models.example:8443", (True, "models.example", 8443)),
    ("http://models.example:443/v1", "/v1", "models.example:443", (False, "models.example", 443)),
    ("http://[::1]/v1", "/v1", "[::1]", (False, "::1", 80)),
    ("http://[::1]:8080/v1", "/v1", "[::1]:8080", (False, "::1", 8080)),
    ("http://127.0.0.1:8080/a%2Fb/c d", "/a%2Fb/c%20d", "127.0.0.1:8080", (False, "127.0.0.1", 8080)),
    ("https://bücher.example/ü", "/%C3%BC", "xn--bcher-kva.example", (True, "xn--bcher-kva.example", 443)),
])  # fmt: skip
def test_line_and_host_follow_from_the_url(url: str, line: str, host: str, origin: tuple[bool, str, int]) -> None:
    route = plan(UpstreamRequest(url=url, body=b""), method="POST")
    assert route.start == f"POST {line} HTTP/1.1\r\nhost: {host}\r\n".encode() + USUAL
    assert route.origin == Origin(*origin, proxy=None, ca_file=None)


def test_headers_of_the_request_win_in_any_case() -> None:
    headers = {"Accept": "text/event-stream", "HOST": "other.example", "x-team": "café"}
    route = plan(UpstreamRequest(url="http://models.example/", body=b"", headers=headers), method="POST")
    lines = route.start.decode().split("\r\n")
    assert lines[0] == "POST / HTTP/1.1"
    assert {"accept: text/event-stream", "host: other.example", "x-team: café"} < set(lines)
    assert len(lines) == 1 + 5 + 1


def test_credentials_in_urls_become_headers_and_stay_out_of_the_line() -> None:
    request = UpstreamRequest(url="http://me:pw@models.example/v1", body=b"", proxy="http://us:er@proxy.example:3128")
    route = plan(request, method="POST")
    assert route.start.startswith(b"POST http://models.example/v1 HTTP/1.1\r\nhost: models.example\r\n")
    assert b"authorization: Basic bWU6cHc=\r\n" in route.start
    assert b"proxy-authorization: Basic dXM6ZXI=\r\n" in route.start


def test_head_for_an_https_provider_tells_nothing_to_or_about_the_proxy() -> None:
    request = UpstreamRequest(url="https://models.example/v1", body=b"", proxy="http://us:er@proxy.example:3128")
    route = plan(request, method="POST")
    assert route.start.startswith(b"POST /v1 HTTP/1.1\r\n")
    assert b"proxy" not in route.start


@pytest.mark.parametrize("headers", [
    {"x-a": "b\r\nc: d"}, {"x-a": "b\nc"}, {"x-a": "b\0"}, {"x a": "b"}, {"x:a": "b"}, {"": "b"}, {"x-\n": "b"},
    {"Content-Length": "3"}, {"transfer-encoding": "chunked"}, {"x-a": "\ud800"},
])  # fmt: skip
def test_headers_that_would_split_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NetworkFault) as caught:
        Routes().find(UpstreamRequest(url="http://models.example/", body=b"", headers=headers, provider="acme"))
    assert (caught.value.phase, caught.value.retryable) == ("setup", False)
    assert caught.value.message == "The configuration of the provider acme has a header that cannot be sent."


@pytest.mark.parametrize(("url", "proxy"), [
    ("ftp://x.example/", None), ("http:///v1", None), ("http://[::1/", None), ("http://x.example:99999/", None),
    ("models.example/v1", None), ("http://x.example/", "socks5://me:sk-secret@proxy.example"),
    ("http://x.example/", "http://me:sk-secret@"),
])  # fmt: skip
def test_url_that_cannot_be_used_is_a_fault_of_the_setup(url: str, proxy: str | None) -> None:
    with pytest.raises(NetworkFault) as caught:
        Routes().find(UpstreamRequest(url=url, body=b"", proxy=proxy))
    assert (caught.value.phase, caught.value.elsewhere_only, caught.value.retryable) == ("setup", True, True)
    assert "sk-secret" not in caught.value.detail + caught.value.message


def test_routes_are_made_once_and_forgotten_when_there_are_too_many() -> None:
    routes = Routes()
    requests = [UpstreamRequest(url=f"http://x.example/{number}", body=b"") for number in range(300)]
    first = routes.find(requests[0])
    assert routes.find(requests[0]) is first
    for request in requests:
        routes.find(request)
    assert len(routes._routes) == 256
    assert routes.find(requests[0]) == first
    assert routes.find(requests[0]) is not first
