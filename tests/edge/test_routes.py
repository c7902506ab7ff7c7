"""What exists, what does not, and who may ask from where."""

from collections.abc import Iterator

import pytest

from antiphon.edge.app import EdgeRoute
from antiphon.edge.routes import ROUTES
from tests.edge.refusals import assert_refused
from tests.edge.wire import Wire, request_of
from tests.helpers.gateway import Answer, Gateway
from tests.helpers.messages_stream import check_messages_error
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import ThreadedUpstream

PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def open_to_a_page(upstream: ThreadedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"server": {"cors_origins": [PAGE]}}
    with Gateway(upstream.url, tmp_path_factory.mktemp("cors"), config=config) as running:
        yield running


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.public], ids=lambda r: f"{r.method} {r.path}")
def test_every_route_needs_a_key_unless_it_says_otherwise(gateway: Gateway, route: EdgeRoute) -> None:
    method, path = route.method, route.path
    path = path.replace("{response_id}", "resp_" + "0" * 32).replace("{model_id:path}", "test/m")
    for headers in ({}, {"x-forwarded-for": "127.0.0.1"}, {"cookie": f"key={gateway.key}"}):
        _assert_keyless(gateway.request(method, path, key=None, headers=headers), route)
    _assert_keyless(gateway.request(method, f"{path}?api_key={gateway.key}", key=None), route)


def _assert_keyless(answer: Answer, route: EdgeRoute) -> None:
    if route.dialect == "messages":
        assert answer.status == 401
        assert check_messages_error(answer.json)["type"] == "authentication_error"
        assert answer.headers["request-id"] == answer.json["request_id"] == answer.headers["x-request-id"]
    else:
        assert_refused(answer, 401, "missing_api_key")


def test_what_is_public_is_public_on_purpose() -> None:
    public = {f"{route.method} {route.path}" for route in ROUTES if route.public}
    assert public == {"GET /healthz", "GET /readyz", "GET /docs", "GET /openapi.json"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/responses/"),
        ("GET", "//v1/models"),
        ("GET", "/v1/../v1/models"),
        ("GET", "/V1/models"),
        ("GET", "/v1/models%00"),
        ("GET", "/v1/responses/a/b/c"),
        ("GET", "/responsesx"),
        ("OPTIONS", "*"),
        ("POST", "/" + "x" * 20_000),
    ],
)
def test_unknown_endpoints_are_404_and_name_what_exists(gateway: Gateway, method: str, path: str) -> None:
    message = assert_refused(gateway.request(method, path), 404, "unknown_endpoint")
    assert "POST /v1/responses" in message
    assert "GET /v1/models/{model_id}" in message


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/responses", "POST"),
        ("PUT", "/v1/responses", "POST"),
        ("HEAD", "/v1/responses", "POST"),
        ("OPTIONS", "/v1/responses", "POST"),
        ("PATCH", "/v1/responses/resp_1", "GET, DELETE"),
        ("POST", "/v1/models", "GET"),
        ("TRACE", "/healthz", "GET"),
        ("DELETE", "/metrics", "GET"),
    ],
)
def test_other_methods_are_405_and_name_the_right_ones(gateway: Gateway, method: str, path: str, allowed: str) -> None:
    answer = gateway.request(method, path)
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        assert f"Allowed: {allowed}." in assert_refused(answer, 405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/healthz", "/v1/models"])
def test_head_is_get_without_a_body(gateway: Gateway, path: str) -> None:
    with Wire(gateway) as wire:
        head = b"HEAD %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n" % (
            path.encode(),
            gateway.key.encode(),
        )
        answer = wire.send(head).answer("HEAD")
        assert answer.status == 200
        assert int(answer.headers["content-length"]) > 2
        check_response(wire.send(request_of(gateway)).answer().json)


def test_the_version_may_be_left_out_of_the_path(gateway: Gateway) -> None:
    made = check_response(gateway.request("POST", "/responses", body={"model": "test/m", "input": "Hi"}).json)
    assert gateway.request("GET", f"/responses/{made['id']}").json == made
    streamed = gateway.request("POST", "/responses", body={"model": "test/m", "input": "Hi", "stream": True})
    assert check_stream(streamed.body).text
    assert gateway.request("GET", f"/responses/{made['id']}/input_items").status == 200
    assert gateway.request("GET", "/models").status == 200
    assert gateway.request("DELETE", f"/responses/{made['id']}").status == 200


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=", "limit=1e1", "limit=%ff", "limit=" + "9" * 5000, "order=up"]
)
def test_bad_queries_are_refused_by_name(gateway: Gateway, query: str) -> None:
    made = gateway.create(input="Hi").json["id"]
    answer = gateway.request("GET", f"/v1/responses/{made}/input_items?{query}")
    assert_refused(answer, 400, "invalid_value", param=query.partition("=")[0])


def preflight(gateway: Gateway, origin: str) -> dict[str, str]:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-stainless-lang",
    }
    answer = gateway.request("OPTIONS", "/v1/responses", key=None, headers=headers)
    return {"status": str(answer.status), **answer.headers}


def test_a_page_that_may_call_gets_its_preflight_without_a_key(open_to_a_page: Gateway) -> None:
    headers = preflight(open_to_a_page, PAGE)
    assert headers["status"] == "200"
    assert headers["access-control-allow-origin"] == PAGE
    assert "POST" in headers["access-control-allow-methods"]
    assert "x-stainless-lang" in headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in headers


def test_another_page_gets_no_leave(open_to_a_page: Gateway) -> None:
    for origin in ("https://evil.example.com", PAGE + ".evil.example", "null", "http://app.example.com"):
        assert "access-control-allow-origin" not in preflight(open_to_a_page, origin)
        answer = open_to_a_page.request("GET", "/v1/models", headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_may_call_can_read_answers_and_errors(open_to_a_page: Gateway) -> None:
    headers = {"origin": PAGE}
    body = {"model": "test/m", "input": "Hi", "stream": True}
    streamed = open_to_a_page.request("POST", "/v1/responses", body=body, headers=headers)
    assert check_stream(streamed.body).text
    refused = open_to_a_page.request("GET", "/v1/models", key="sk-wrong", headers=headers)
    for answer in (streamed, refused):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_without_the_setting_no_page_may_call(gateway: Gateway) -> None:
    assert preflight(gateway, PAGE)["status"] == "405"
    answer = gateway.request("GET", "/v1/models", headers={"origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
