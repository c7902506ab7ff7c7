"""The clock for request heads: it runs for a head that is on its way, and for nothing else."""

import http.client
import socket
from pathlib import Path

import msgspec
import pytest

from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, ThreadedUpstream, stream, text_chunks

_HEAD_TIMEOUT_S = 0.2


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.edge.connection._HEAD_TIMEOUT_S", _HEAD_TIMEOUT_S)


def test_an_answer_may_take_longer_than_a_head(tmp_path: Path) -> None:
    gate = Gate()
    config = {"server": {"heartbeat_s": 0.1, "early_status_s": 0.05}}
    body = msgspec.json.encode({"model": "test/m", "input": "Hi", "stream": True})
    with (
        ThreadedUpstream(stream(gate, *text_chunks("Hello"))) as upstream,
        Gateway(upstream.url, tmp_path, config=config) as gateway,
    ):
        connection = http.client.HTTPConnection(*gateway.address, timeout=20)
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", "/v1/responses", body, headers)
        answer = connection.getresponse()
        seen, beats = b"", 0
        while beats < 5:  # heartbeats are 0.1 s apart: by then a head would have been given up
            line = answer.readline()
            assert line, seen
            seen += line
            beats += line.startswith(b":")
        gate.open()
        checked = check_stream(seen + answer.read())
        connection.close()
    assert checked.text == "Hello"


@pytest.mark.parametrize("begun", [b"", b"POST /v1/responses HTTP/1.1\r\nx-a: ", b"\r\n"])
def test_a_head_that_does_not_arrive_ends_the_connection(tmp_path: Path, begun: bytes) -> None:
    with Gateway(None, tmp_path) as gateway, socket.create_connection(gateway.address, timeout=10) as client:
        client.sendall(begun)
        assert client.recv(1) == b""


def test_a_later_head_on_the_same_connection_has_no_longer(tmp_path: Path) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    with Gateway(None, tmp_path) as gateway, socket.create_connection(gateway.address, timeout=10) as client:
        client.sendall(whole + whole[:20])
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200")
