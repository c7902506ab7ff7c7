"""Connections that nobody uses: kept for a while, then closed, also under an answer that nobody takes."""

import select
import time
from pathlib import Path

import pytest

from tests.edge.wire import Wire, request_of
from tests.helpers.gateway import Gateway
from tests.helpers.upstream import ThreadedUpstream, text_brain

_KEEP_ALIVE_S = 0.5
_GET = b"GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.edge.connection.KEEP_ALIVE_S", _KEEP_ALIVE_S)


def test_an_idle_connection_is_used_again_and_closed_in_the_end(tmp_path: Path) -> None:
    with Gateway(None, tmp_path) as gateway, Wire(gateway) as wire:
        for _ in range(3):
            assert wire.send(_GET).answer("GET").status == 200
        assert wire.rest() == b""


def test_an_answer_that_nobody_takes_is_dropped_with_its_connection(tmp_path: Path) -> None:
    with (
        ThreadedUpstream(text_brain(lambda _: "x" * (16 << 20))) as upstream,
        Gateway(upstream.url, tmp_path) as gateway,
        Wire(gateway, receive_buffer=65536) as wire,
    ):
        wire.send(request_of(gateway, store=False))
        select.select([wire.socket], [], [], 20)  # it has begun
        deadline = time.monotonic() + 20
        while gateway.connections:
            assert time.monotonic() < deadline, "the connection is held for ever"
            select.select([], [], [], 0.02)
        assert len(wire.rest()) < 16 << 20
