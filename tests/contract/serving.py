"""Where the contract tests send their requests: a gateway before the real local model, or before a scripted provider."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helpers.gateway import Gateway
from tests.helpers.local_model import local_model_path
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, answer_like

__all__ = ["SCRIPTED_TEXT", "Serving", "local_gateway", "local_serving", "scripted_serving"]

SCRIPTED_TEXT = "The capital of France is Paris."

#: The local model starts in about a second; on a loaded machine it may take longer.
_READY_S = 60.0
_ASK_AGAIN_S = 0.02


@dataclass(frozen=True)
class Serving:
    """A gateway, a model behind it, and what a request must say so that a test takes no longer than needed.

    Attributes:
        short: empty for the scripted provider, whose requests are exactly those of the documentation.
    """

    gateway: Gateway
    model: str
    short: dict[str, Any] = field(default_factory=dict)
    is_real: bool = False


@contextmanager
def local_gateway(data_dir: Path) -> Iterator[Gateway]:
    """A gateway with the real local model, once it is ready."""
    config = {"local": {"enabled": True, "model": str(local_model_path()), "context": 2048}}
    with Gateway(None, data_dir, config=config) as gateway:
        _await_ready(gateway)
        yield gateway


def local_serving(gateway: Gateway) -> Serving:
    """The local model, whose answers end after a few words."""
    return Serving(gateway, "local", {"max_output_tokens": 16}, is_real=True)


@contextmanager
def scripted_serving(data_dir: Path) -> Iterator[Serving]:
    """A provider that says the same sentence to everyone."""
    with ThreadedUpstream(_say) as upstream, Gateway(upstream.url, data_dir) as gateway:
        yield Serving(gateway, "test/gpt-4.1")


def _say(request: Seen) -> Reply:
    return answer_like(request, SCRIPTED_TEXT)


def _await_ready(gateway: Gateway) -> None:
    """Ask as an orchestrator does: the gateway is another process to whoever waits for it."""
    pause = threading.Event()
    for _ in range(int(_READY_S / _ASK_AGAIN_S)):
        readiness = gateway.request("GET", "/readyz", key=None)
        if readiness.status == 200:
            return
        pause.wait(_ASK_AGAIN_S)
    raise AssertionError(f"not ready after {_READY_S} s: {readiness.json}")
