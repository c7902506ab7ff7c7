"""`/v1/embeddings`: what reaches the provider, what comes back, what is counted, what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.edge.refusals import assert_refused
from tests.helpers.gateway import Answer, Gateway, add_key
from tests.helpers.upstream import Gate, Reply, Seen, ThreadedUpstream, answer, error

NUMBERS = b"[0.10000000149011612,-1e-7,0.3000000000000000444]"
VECTOR = b'{"object":"embedding","index":0,"embedding":%b}' % NUMBERS
BODY = b'{"object":"list","data":[%b],"model":"m-of-theirs","usage":{"prompt_tokens":7,"total_tokens":7},"own":{"a":1}}'


SAID = {
    "uncounted": answer(b'{"data":[%b]}' % VECTOR),
    "refused": error(400, "too long", type="invalid_request_error", code="context_length_exceeded"),
    "limited": error(429, "slow down", headers={"retry-after": "3"}),
    "key": error(401, "bad key sk-upstream"),
    "nonsense": answer(b"<html>"),
    "empty": answer(b'{"data":null}'),
    "cut": Reply([b'{"data":[', "close"], headers={"content-type": "application/json"}, declared_length=99),
}


def brain(request: Seen) -> Reply:
    said = request.json["input"]
    known = SAID.get(said) if isinstance(said, str) else None
    return known or answer(BODY % VECTOR)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedUpstream]:
    with ThreadedUpstream(brain) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: ThreadedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data_dir: Path = tmp_path_factory.mktemp("embeddings")
    config = {
        "providers": {
            "test": {"base_url": upstream.url, "api_key": "sk-upstream", "headers": {"x-team": "blue"}},
            "overlaid": {"base_url": upstream.url, "params": {"dimensions": 3}, "models": ["overlaid-m"]},
            "azure": {"base_url": upstream.url, "api_key": "k", "models": ["text-embedding-3-small"]},
            "native": {"base_url": upstream.url, "protocol": "responses", "models": ["native-m"]},
            "claude": {"base_url": upstream.url, "protocol": "anthropic", "models": ["claude-*"]},
            "vertex": {"base_url": upstream.url, "protocol": "gemini", "models": ["gemini-*"]},
        },
        "models": {"small": {"target": "test/m", "prices": {"input": 1000, "output": 0}}},
    }
    with Gateway(None, data_dir, config=config) as running:
        yield running


def embed(gateway: Gateway, **body: object) -> Answer:
    return gateway.request("POST", "/v1/embeddings", body={"model": "test/m", "input": "Hi", **body})


def run_of(gateway: Gateway, answered: Answer) -> Any:
    """The run's record; waits for it to be written, as the answer does not."""
    request_id = answered.headers["x-request-id"]
    while True:
        for (raw,) in gateway.sql("SELECT hex(id) FROM runs"):
            record = gateway.request("GET", f"/v1/antiphon/runs/resp_{raw.lower()}").json
            if record["caller"]["request_id"] == request_id:
                return record


def test_the_body_goes_as_it_came_and_the_answer_comes_as_it_was(upstream: ThreadedUpstream, gateway: Gateway) -> None:
    body = b'{"input":[[1,2],[3]],"model":"small","encoding_format":"base64","dimensions":256,"of_theirs":{"x":[1.50]}}'
    answered = gateway.request("POST", "/v1/embeddings", body=body)
    seen = upstream.requests[-1]
    assert (seen.path, seen.headers["authorization"], seen.headers["x-team"]) == (
        "/v1/embeddings",
        "Bearer sk-upstream",
        "blue",
    )
    assert seen.body == body.replace(b'"small"', b'"m"')
    assert answered.status == 200
    assert answered.headers["x-actual-model"] == "test/m"
    assert NUMBERS in answered.body
    assert answered.json == {**msgspec.json.decode(BODY % VECTOR), "model": "small"}


def test_providers_have_their_own_ways_and_overlays(upstream: ThreadedUpstream, gateway: Gateway) -> None:
    assert embed(gateway, model="overlaid-m", dimensions=9).status == 200
    assert upstream.requests[-1].json == {"model": "overlaid-m", "input": "Hi", "dimensions": 3}
    assert embed(gateway, model="text-embedding-3-small").status == 200
    assert upstream.requests[-1].headers["api-key"] == "k"
    assert embed(gateway, model="native-m").status == 200


def test_end_users_are_hashed(upstream: ThreadedUpstream, gateway: Gateway) -> None:
    assert embed(gateway, user="anna@example.com").status == 200
    sent = upstream.requests[-1]
    assert b"anna" not in sent.body
    assert len(sent.json["user"]) == 32


def test_what_was_used_is_counted_with_everything_else(gateway: Gateway) -> None:
    before = gateway.request("GET", "/metrics").body.decode()
    answered = embed(gateway, model="small", user="anna")
    record = run_of(gateway, answered)
    assert (record["status"], record["caller"]["front_door"], record["end_user"]) == ("completed", "embeddings", "anna")
    assert record["candidates"] == [{"target": "test/m", "verdict": "served"}]
    (attempt,) = record["attempts"]
    assert (attempt["status"], attempt["outcome"]) == (200, "served")
    assert record["cost_micros"] == 7000
    rows = gateway.sql(f"SELECT input_tokens, output_tokens, estimated FROM runs WHERE id = x'{record['id'][5:]}'")  # noqa: S608 - hex digits
    assert rows == [(7, 0, 0)]
    runs = 'antiphon_runs_total{provider="test",status="completed"}'
    after = gateway.request("GET", "/metrics").body.decode()
    assert _value(after, runs) == _value(before, runs) + 1


def _value(metrics: str, name: str) -> float:
    return next((float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name)), 0.0)


def test_what_nobody_counted_is_estimated(gateway: Gateway) -> None:
    record = run_of(gateway, embed(gateway, input="uncounted"))
    assert record["usage_estimated"] is True
    assert embed(gateway, input="uncounted").json["object"] == "list"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ("refused", 400, "context_length_exceeded"),
        ("limited", 429, "rate_limit_exceeded"),
        ("key", 502, "upstream_credential_error"),
        ("nonsense", 502, "upstream_protocol_error"),
        ("empty", 502, "upstream_protocol_error"),
        ("cut", 502, "upstream_reset"),
    ],
)
def test_failures_of_the_provider_are_those_of_any_run(gateway: Gateway, said: str, status: int, code: str) -> None:
    answered = embed(gateway, input=said)
    assert (answered.status, answered.json["error"]["code"]) == (status, code)
    assert b"sk-upstream" not in answered.body
    record = run_of(gateway, answered)
    assert (record["status"], record["error"], record["attempts"][0]["outcome"]) == ("failed", code, code)
    assert record["candidates"][0]["verdict"] == "failed"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "claude-x"}, 400, "unsupported_endpoint", "model"),
        ({"model": "gemini-x"}, 400, "unsupported_endpoint", "model"),
        ({"model": None}, 400, "missing_required_parameter", "model"),
        ({"input": None}, 400, "missing_required_parameter", "input"),
        ({"input": 5}, 400, "invalid_value", "input"),
        ({"input": {"a": 1}}, 400, "invalid_value", "input"),
        ({"encoding_format": "hex"}, 400, "invalid_value", "encoding_format"),
        ({"dimensions": 0}, 400, "invalid_value", "dimensions"),
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(
    upstream: ThreadedUpstream, gateway: Gateway, body: dict[str, object], status: int, code: str, param: str
) -> None:
    before = len(upstream.requests)
    assert_refused(embed(gateway, **body), status, code, param=param)
    assert len(upstream.requests) == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":"small","input":"\xff"}', b'{"a":' * 5000])
def test_what_is_no_json_is_refused(gateway: Gateway, body: bytes) -> None:
    assert gateway.request("POST", "/v1/embeddings", body=body).status == 400


def test_keys_are_limited_as_everywhere(gateway: Gateway) -> None:
    limited = add_key(gateway.settings.database_url, name="limited", models=("small",))
    body = {"model": "small", "input": "Hi"}
    assert gateway.request("POST", "/v1/embeddings", body=body, key=limited).status == 200
    refused = gateway.request("POST", "/v1/embeddings", body={**body, "model": "test/m"}, key=limited)
    assert_refused(refused, 403, "model_access_denied", param="model")
    assert gateway.request("POST", "/embeddings", body=body, key=None).status == 401


def test_who_leaves_stops_the_provider(tmp_path: Path) -> None:
    gate = Gate()
    with ThreadedUpstream(Reply([gate], declared_length=9)) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        with gateway.openai(timeout=0.5) as client, pytest.raises(Exception, match="timed out"):
            client.embeddings.create(model="test/m", input="Hi")
        assert upstream.closed(0).closed.is_set()
        gateway.stop()
        assert gateway.sql("SELECT status FROM runs") == [("cancelled",)]


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    config = {"limits": {"run_s": 0.3}}
    with (
        ThreadedUpstream(Reply(["stall"], declared_length=9)) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
    ):
        refused = embed(gateway)
        assert (refused.status, refused.json["error"]["code"]) == (504, "run_timeout")
        assert run_of(gateway, refused)["status"] == "failed"


def test_the_model_list_tells_who_makes_them(gateway: Gateway) -> None:
    endpoints = {one["id"]: one["endpoints"] for one in gateway.request("GET", "/v1/models").json["data"]}
    assert "/v1/embeddings" in endpoints["small"]
    assert "/v1/embeddings" in endpoints["native-m"]
    assert "/v1/embeddings" not in gateway.request("GET", "/v1/models/claude-x").json["endpoints"]
