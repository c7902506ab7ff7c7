"""What operators look at: liveness, readiness, metrics, and the access log."""

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from antiphon import __version__
from tests.edge.wire import Wire, head_of, request_of
from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_response, check_stream
from tests.helpers.upstream import Gate, Seen, ThreadedUpstream, answer_like, error, stream, text_chunks


def brain(request: Seen) -> object:
    return error(500, "broken") if b"break" in request.body else answer_like(request, "The answer.")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadedUpstream]:
    with ThreadedUpstream(brain) as running:  # type: ignore[arg-type]  # a reply either way
        yield running


def metrics(gateway: Gateway) -> dict[str, float]:
    answer = gateway.request("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_healthz_and_readyz_answer_without_a_key(gateway: Gateway) -> None:
    health = gateway.request("GET", "/healthz", key=None)
    assert (health.status, health.json) == (200, {"status": "ok", "version": __version__})
    ready = gateway.request("GET", "/readyz", key=None)
    assert (ready.status, ready.json) == (200, {"status": "ready", "checks": {"store": "ok"}})


def test_metrics_count_runs_and_tokens(gateway: Gateway) -> None:
    before = metrics(gateway)
    check_response(gateway.create(input="Hi").json)
    check_stream(gateway.stream(input="Hi"))
    assert gateway.create(input="break").status == 502
    after = metrics(gateway)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('antiphon_runs_total{provider="test",status="completed"}') == 2
    assert grown('antiphon_runs_total{provider="test",status="failed"}') == 1
    assert grown('antiphon_tokens_total{kind="input",provider="test"}') == 22
    assert grown('antiphon_tokens_total{kind="output",provider="test"}') == 14
    assert grown('antiphon_requests_total{route="/v1/responses",status="200"}') == 2
    assert grown('antiphon_requests_total{route="/v1/responses",status="502"}') == 1
    assert grown('antiphon_request_seconds_count{route="/v1/responses"}') == 3
    assert grown("antiphon_first_output_seconds_count") == 2
    assert after["antiphon_live_runs"] == 0


def test_what_clients_send_makes_no_new_series(gateway: Gateway) -> None:
    def flood(round_: int) -> None:
        for number in range(5):
            name = f"{round_}-{number}"
            gateway.create(model=f"test/{name}", input="Hi", metadata={name: name})
            gateway.request("GET", f"/{name}")
            gateway.request("GET", f"/v1/responses/{name}")
            gateway.request("PUT", f"/v1/models/{name}")
            gateway.request("GET", "/v1/models", key=name)

    flood(0)
    metrics(gateway)  # the series of this route itself
    known = metrics(gateway).keys()
    flood(1)
    assert metrics(gateway).keys() == known
    labels = {label for name in known for label in re.findall(r"(\w+)=\"", name)}
    assert labels <= {"route", "status", "provider", "outcome", "reason", "kind", "le"}


def test_live_runs_are_counted_while_they_live(tmp_path: Path) -> None:
    gate = Gate()
    with ThreadedUpstream(stream(gate, *text_chunks("x"))) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        with Wire(gateway) as wire:
            wire.send(request_of(gateway, stream=True))
            upstream.received(1)
            assert metrics(gateway)["antiphon_live_runs"] == 1
            gate.open()
            assert check_stream(wire.answer().body).text == "x"
        assert metrics(gateway)["antiphon_live_runs"] == 0


def test_a_stopping_gateway_takes_no_connections_and_ends_what_it_has(tmp_path: Path) -> None:
    gate = Gate()
    with ThreadedUpstream(stream(gate, *text_chunks("x"))) as upstream, Gateway(upstream.url, tmp_path) as gateway:
        with Wire(gateway) as idle, Wire(gateway) as busy:
            busy.send(request_of(gateway, stream=True) + request_of(gateway, input="behind it"))
            upstream.received(1)
            gateway.begin_stop()
            assert idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(gateway.address, timeout=5).close()
            gate.open()
            answered = busy.rest()
        assert answered.count(b"HTTP/1.1 200 ") == 1
        assert b"response.completed" in answered
        assert len(upstream.requests) == 1


def access_lines(captured: str) -> list[dict[str, object]]:
    lines = [msgspec.json.decode(line) for line in captured.split("\n") if line.startswith("{")]
    return [line for line in lines if line["logger"] == "access"]


def test_every_request_has_one_line_in_the_access_log_and_no_secret_in_it(
    upstream: ThreadedUpstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Gateway(upstream.url, tmp_path, config={"server": {"access_log": True}}) as gateway:
        made = gateway.create(
            input="my secret prompt", instructions="be secretive", metadata={"who": "secret meta"}
        ).json
        gateway.stream(input="my secret prompt")
        gateway.create(input="break my secret prompt")
        gateway.request("GET", f"/v1/responses/{made['id']}?key=secret-in-query")
        gateway.request("GET", "/nowhere", key="sk-secret-key", headers={"x-request-id": "mine"})
        gateway.request("GET", "/v1/models", key="sk-secret-key")
        with Wire(gateway) as wire:
            wire.send(head_of(gateway, b"expect: 100-continue", length=1000) + b'{"model":"secret')
            assert wire.socket.recv(64).startswith(b"HTTP/1.1 100")  # it is being read
    printed = capsys.readouterr()
    said = printed.out + printed.err
    for secret in ("secret", "The answer.", gateway.key, "sk-upstream"):
        assert secret not in said
    lines = access_lines(said)
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/v1/responses", 200),
        ("POST", "/v1/responses", 200),
        ("POST", "/v1/responses", 502),
        ("GET", f"/v1/responses/{made['id']}", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/models", 401),
        ("POST", "/v1/responses", 499),
    ]
    first = lines[0]
    assert first["response_id"] == made["id"]
    assert (first["model"], first["provider"], first["run"]) == ("test/m", "test", "completed")
    assert (first["input_tokens"], first["output_tokens"]) == (11, 7)
    assert (first["tenant"], first["key"], first["client"]) == ("default", "test", "127.0.0.1")
    assert lines[2]["error"] == "upstream_error"
    assert lines[4]["request_id"] == "mine"


def test_a_line_of_the_access_log_stays_one_line(
    upstream: ThreadedUpstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ["/%0a%0d{}", "/%e2%80%a8", "/%ed%a0%80", "/%00", "/" + "x" * 20_000]
    with Gateway(upstream.url, tmp_path, config={"server": {"access_log": True}}) as gateway:
        for path in paths:
            connection = http.client.HTTPConnection(*gateway.address)
            connection.request("GET", path)
            assert connection.getresponse().status == 404
            connection.close()
    lines = access_lines(capsys.readouterr().err)
    assert len(lines) == len(paths)
    assert all(len(str(line["path"])) <= 512 for line in lines)
