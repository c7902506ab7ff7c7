"""A stream while nothing comes from its provider: heartbeats, and a status sent before there is output."""

import socket
from collections.abc import Iterator

import pytest

from tests.edge.wire import Wire, request_of
from tests.faults.upstreams import Stage, open_stage
from tests.helpers.stream import Checked, check_response, check_stream
from tests.helpers.upstream import Gate, Part, Reply, answer, chat_json, error, sse, text_chunks

EVENTS = {"content-type": "text/event-stream"}
WIRE = sse(*text_chunks("Hel", "lo."))


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Says something after a tenth of a second of silence."""
    server = {"heartbeat_s": 0.1, "early_status_s": 0.1}
    with open_stage(tmp_path_factory.mktemp("lively"), server=server) as opened:
        yield opened


class Listener:
    """A stream, read piece by piece as it comes."""

    def __init__(self, wire: Wire) -> None:
        self._response = wire.response()
        assert self._response.status == 200
        self.headers = dict(self._response.getheaders())
        self.seen = b""

    def until(self, text: bytes, *, times: int = 1) -> None:
        while self.seen.count(text) < times:
            line = self._response.readline()
            assert line, self.seen
            self.seen += line

    def check(self) -> Checked:
        """The whole stream; comments stand between its events, never inside."""
        self.seen += self._response.read()
        for block in self.seen.removesuffix(b"\n\n").split(b"\n\n"):
            assert block.startswith(b"event: ") or block in {b"data: [DONE]", b": keep-alive"}, block
        return check_stream(self.seen)


def gated(*parts: Part) -> Reply:
    return Reply(parts, headers=EVENTS, framing="chunked")


@pytest.mark.parametrize("after", range(1, len(WIRE)))
def test_silence_anywhere_in_a_stream_is_filled_with_comments(lively: Stage, after: int) -> None:
    gate = Gate()
    lively.script(gated(*WIRE[:after], gate, *WIRE[after:]))
    with Wire(lively.gateway) as wire:
        wire.send(request_of(lively.gateway, stream=True, store=False))
        listener = Listener(wire)
        listener.until(b": keep-alive\n", times=2)
        gate.open()
        assert listener.check().text == "Hello."


def test_comments_go_on_and_on_and_mix_with_no_event(lively: Stage) -> None:
    pieces = [f"piece {number} " for number in range(5)]
    wire_parts = sse(*text_chunks(*pieces))
    gates = [Gate() for _ in pieces]
    parts: list[Part] = [wire_parts[0]]
    for gate, part in zip(gates, wire_parts[1:], strict=False):
        parts += [gate, part]
    lively.script(gated(*parts, *wire_parts[1 + len(pieces) :]))
    with Wire(lively.gateway) as wire:
        wire.send(request_of(lively.gateway, stream=True, store=False))
        listener = Listener(wire)
        for number, gate in enumerate(gates):
            listener.until(b": keep-alive\n", times=number + 1)
            gate.open()
        assert listener.check().text == "".join(pieces)


def test_a_provider_s_own_comments_are_no_output_and_ours_go_out_all_the_same(lively: Stage) -> None:
    gate = Gate()
    lively.script(gated(b": OPENROUTER PROCESSING\n\n" * 3, gate, *WIRE))
    with Wire(lively.gateway) as wire:
        wire.send(request_of(lively.gateway, stream=True, store=False))
        listener = Listener(wire)
        listener.until(b": keep-alive\n")
        assert b"OPENROUTER" not in listener.seen
        gate.open()
        assert listener.check().text == "Hello."


def test_status_and_first_events_are_sent_before_there_is_output(lively: Stage) -> None:
    gate = Gate()
    lively.script(Reply([gate, *raw_stream()], framing="raw"))
    with Wire(lively.gateway) as wire:
        wire.send(request_of(lively.gateway, stream=True, store=False, unknown=1))
        listener = Listener(wire)
        assert listener.headers["x-actual-model"] == "test/m"
        assert listener.headers["x-antiphon-ignored"] == "unknown"
        assert listener.headers["x-request-id"]
        listener.until(b"event: response.in_progress\n")
        gate.open()
        checked = listener.check()
    assert checked.types[:2] == ["response.created", "response.in_progress"]
    assert checked.text == "Hello."


def raw_stream() -> list[bytes]:
    return [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", *WIRE]


def late(reply: Reply, gate: Gate) -> Reply:
    """The reply, status and all, once the gate is open."""
    return Reply([gate, reply.head(), *reply.parts], framing="raw")


@pytest.mark.parametrize(
    ("reply", "code", "reason"),
    [
        (error(500, "Boom."), "server_error", "upstream_error"),
        (error(429, "Slow down.", headers={"retry-after": "9"}), "rate_limit_exceeded", None),
        (error(503, "Busy."), "server_error", "upstream_overloaded"),
        (error(402, "Pay."), "server_error", "upstream_quota"),
        (error(401, "Who?"), "server_error", "upstream_credential_error"),
        (error(400, "x", code="context_length_exceeded"), "context_length_exceeded", None),
        (error(400, "Bad tool."), "invalid_prompt", None),
        (error(404, "No such model."), "server_error", "model_not_found"),
        (answer(b"<html>"), "server_error", "upstream_protocol_error"),
        (Reply(["reset"], framing="raw"), "server_error", "upstream_error"),
    ],
)
def test_a_failure_behind_an_early_status_is_told_in_the_stream(
    lively: Stage, reply: Reply, code: str, reason: str | None
) -> None:
    gate = Gate()
    lively.script(late(reply, gate))
    with Wire(lively.gateway) as wire:
        wire.send(request_of(lively.gateway, stream=True, store=True))
        listener = Listener(wire)
        listener.until(b"event: response.in_progress\n")
        gate.open()
        checked = listener.check()
    assert checked.types == ["response.created", "response.in_progress", "response.failed"]
    assert checked.response["output"] == []
    assert (checked.response["error"]["code"], checked.response["error"].get("reason")) == (code, reason)
    stored = lively.gateway.request("GET", f"/v1/responses/{checked.response['id']}")
    assert check_response(stored.json, usage_optional=True) == checked.response


def test_an_answer_in_one_piece_has_no_early_status(lively: Stage) -> None:
    gate = Gate()
    whole = answer(chat_json("Late."))
    lively.script(lambda request: Reply(["stall"], framing="raw") if request.wants_stream else late(whole, gate))
    with Wire(lively.gateway) as json_wire, Wire(lively.gateway) as stream_wire:
        json_wire.send(request_of(lively.gateway, store=False))
        stream_wire.send(request_of(lively.gateway, stream=True, store=False))
        Listener(stream_wire).until(b": keep-alive\n")  # by now the other would have had one too
        json_wire.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            json_wire.socket.recv(1, socket.MSG_PEEK)
        json_wire.socket.settimeout(20)
        gate.open()
        check_response(json_wire.answer().json)
