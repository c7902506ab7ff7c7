"""A clock on the wall that jumps: row P7. What is measured goes by another one."""

import time
from pathlib import Path

import pytest

from tests.edge.wire import Wire, request_of
from tests.faults.upstreams import open_stage
from tests.helpers.stream import check_stream
from tests.helpers.upstream import Gate, Reply, sse, text_chunks

HOUR_S = 3600
EVENTS = {"content-type": "text/event-stream"}


class Wall:
    """The standard library's `time`, with another idea of what time it is."""

    monotonic = time.monotonic
    off_s = 0

    def time(self) -> float:
        return time.time() + self.off_s

    def time_ns(self) -> int:
        return time.time_ns() + self.off_s * 1_000_000_000


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_p7_a_clock_that_jumps_ends_no_stream_and_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    wall, gate = Wall(), Gate()
    wire = sse(*text_chunks("Hel", "lo."))
    monkeypatch.setattr("antiphon.lib.clock.time", wall)
    with open_stage(tmp_path, limits={"idle_s": 20, "run_s": 60}) as stage, Wire(stage.gateway) as client:
        stage.script(Reply([*wire[:2], gate, *wire[2:]], headers=EVENTS, framing="chunked"))
        client.send(request_of(stage.gateway, stream=True))
        stage.upstream.received(1)
        wall.off_s = jump_s
        gate.open()
        checked = check_stream(client.answer().body)
        assert (checked.response["status"], checked.text) == ("completed", "Hello.")
        stored = stage.gateway.request("GET", f"/v1/responses/{checked.response['id']}")
        assert stored.json == checked.response
        later = stage.stream(Reply(wire, headers=EVENTS), store=True, previous_response_id=checked.response["id"])
        assert later.response["status"] == "completed"


def test_p7_silence_is_measured_by_the_other_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall()
    monkeypatch.setattr("antiphon.lib.clock.time", wall)
    with open_stage(tmp_path, limits={"idle_s": 0.3}) as stage:
        wall.off_s = -HOUR_S
        spoken = sse(*text_chunks("Hel", "lo.")[:3], done=False)
        checked = stage.stream(Reply([*spoken, "stall"], headers=EVENTS, framing="chunked"))
        assert checked.response["error"]["reason"] == "upstream_stall"
