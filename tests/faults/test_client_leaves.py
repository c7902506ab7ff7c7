"""Clients that leave before their answer is there: rows D1 and D2. The upstream is hung up on within a second."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from antiphon.engine.media import MediaInliner
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher
from tests.edge.wire import Wire, request_of
from tests.faults.upstreams import Stage, open_stage
from tests.helpers.gateway import Gateway
from tests.helpers.stream import check_response
from tests.helpers.upstream import Part, Reply, ThreadedUpstream, answer, chat_json, sse, text_chunks

AT_ONCE_S = 1.0
EVENTS = {"content-type": "text/event-stream"}
SPOKEN = sse(*text_chunks("Hel", "lo.")[:3], done=False)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """No limit of ours ends anything here."""
    with open_stage(tmp_path_factory.mktemp("patient")) as opened:
        yield opened


def stalling(*parts: Part) -> Reply:
    return Reply([*parts, "stall"], headers=EVENTS, framing="chunked" if parts else "raw")


def new_model() -> str:
    """A name that no other run has."""
    return f"test/{uuid4().hex}"


def leave(stage: Stage, reply: Reply, *, until: bytes = b"", reset: bool = False, **body: Any) -> tuple[str, str]:
    """Ask, wait until the upstream is at it and `until` was read, leave, and see the upstream hung up on at once.

    The run: (response id, status).
    """
    stage.script(reply)
    asked, model = len(stage.upstream.requests), new_model()
    with Wire(stage.gateway) as wire:
        wire.send(request_of(stage.gateway, model=model, **body))
        seen = b""
        while until not in seen:
            seen += wire.socket.recv(65536)
        request = stage.upstream.received(asked + 1)[-1]
        began = time.monotonic()
        if reset:
            wire.reset()
        else:
            wire.leave()
    stage.upstream.closed(request.connection)
    assert time.monotonic() - began < AT_ONCE_S
    return run_of(stage.gateway, model)


def run_of(gateway: Gateway, model: str) -> tuple[str, str]:
    """The run of that model, once it has been written and is over: (response id, status)."""
    began = time.monotonic()
    while True:
        rows = gateway.sql(f"SELECT hex(id), status FROM runs WHERE model = '{model}'")  # noqa: S608 - a name of ours
        if rows:
            (row,) = rows
            run = "resp_" + row[0].lower()
            if gateway.request("GET", f"/v1/responses/{run}").json.get("status") != "in_progress":
                return run, row[1]  # the row is there a moment before the gateway knows that it is
        assert time.monotonic() - began < 5 * AT_ONCE_S


def live_runs(gateway: Gateway) -> int:
    lines = gateway.request("GET", "/metrics").body.decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("antiphon_live_runs ")).split()[1]))


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_d1_leaving_a_stream_cancels_the_run_and_keeps_what_there_was(patient: Stage, reset: bool) -> None:
    run, status = leave(patient, stalling(*SPOKEN), until=b'"delta":"lo."', reset=reset, stream=True)
    assert status == "cancelled"
    stored = check_response(patient.gateway.request("GET", f"/v1/responses/{run}").json)
    assert stored["status"] == "cancelled"
    assert stored["output"][0]["content"][0]["text"] == "Hello."
    assert stored["output"][0]["status"] == "incomplete"
    assert stored["usage"]["estimated"] is True


def test_d1_without_store_nothing_is_kept_but_the_run(patient: Stage) -> None:
    run, status = leave(patient, stalling(*SPOKEN), until=b'"delta":"lo."', stream=True, store=False)
    assert status == "cancelled"
    assert patient.gateway.request("GET", f"/v1/responses/{run}").status == 404
    assert patient.gateway.request("GET", f"/v1/antiphon/runs/{run}").json["status"] == "cancelled"


@pytest.mark.parametrize("reply", [stalling(), stalling(b": thinking\n\n"), stalling(*SPOKEN[:1])])
def test_d2_leaving_before_any_output_cancels_the_run(patient: Stage, reply: Reply) -> None:
    _, status = leave(patient, reply, stream=True)
    assert status == "cancelled"


@pytest.mark.parametrize("body", [b"", b'{"choices":['])
def test_d2_leaving_while_a_whole_answer_is_awaited_cancels_the_run(patient: Stage, body: bytes) -> None:
    parts: list[Part] = [body] if body else []
    _, status = leave(patient, Reply([*parts, "stall"], framing="chunked" if body else "raw"))
    assert status == "cancelled"


def test_d2_leaving_while_a_picture_is_fetched_cancels_the_fetch_and_asks_no_model(tmp_path: Path) -> None:
    with ThreadedUpstream(Reply(["stall"], framing="raw")) as pictures, open_stage(tmp_path) as stage:
        stage.script(answer(chat_json()))
        let_fetch_from(stage.gateway, pictures)
        url = pictures.url.removesuffix("/v1") + "/cat.png"
        content = [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]
        for streamed in (False, True):
            model = new_model()
            with Wire(stage.gateway) as wire:
                wire.send(request_of(stage.gateway, model=model, input=content, stream=streamed))
                request = pictures.received(1 + streamed)[-1]
                began = time.monotonic()
            pictures.closed(request.connection)
            assert time.monotonic() - began < AT_ONCE_S
            assert run_of(stage.gateway, model)[1] == "cancelled"
        assert not stage.upstream.requests


def let_fetch_from(gateway: Gateway, server: ThreadedUpstream) -> None:
    """Fetching goes to ports 80 and 443 only, which no test may open: here it may go to this one."""
    port = int(server.url.rsplit(":", 1)[1].removesuffix("/v1"))
    policy = AddressPolicy.allowing(["127.0.0.1"], ports=[port])
    assert gateway.app.services is not None
    parts = gateway.app.services.engine._parts
    structs.force_setattr(parts, "media", MediaInliner(GuardedFetcher(FetchSettings(policy=policy))))


def test_d2_a_client_that_leaves_among_others_takes_none_with_it(patient: Stage) -> None:
    patient.script(stalling(*SPOKEN))
    asked = len(patient.upstream.requests)
    leaving = [Wire(patient.gateway) for _ in range(20)]
    for wire in leaving:
        wire.send(request_of(patient.gateway, stream=True, store=False))
    seen = patient.upstream.received(asked + 20)[asked:]
    began = time.monotonic()
    for wire in leaving:
        wire.leave()
    for request in seen:
        patient.upstream.closed(request.connection)
    assert time.monotonic() - began < 2 * AT_ONCE_S
    assert patient.whole(answer(chat_json("Still here.")))["output"][0]["content"][0]["text"] == "Still here."
    while live_runs(patient.gateway):
        assert time.monotonic() - began < 5 * AT_ONCE_S


def test_an_answer_that_is_complete_is_not_cancelled_by_leaving_at_once(patient: Stage) -> None:
    patient.script(Reply(sse(*text_chunks("Hello.")), headers=EVENTS))
    model = new_model()
    with Wire(patient.gateway) as wire:
        wire.send(request_of(patient.gateway, model=model, stream=True))
        seen = b""
        while b"[DONE]" not in seen:
            seen += wire.socket.recv(65536)
    assert run_of(patient.gateway, model)[1] == "completed"
