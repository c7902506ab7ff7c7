"""Where agents work: a gateway process, the model behind it in every wire format, and a wall around all of it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.agents.model import Model
from tests.agents.openai_models import ChatModel, NativeModel, ThinkingModel
from tests.agents.vendor_models import AnthropicModel, GeminiModel
from tests.helpers.gateway import add_key
from tests.helpers.process import GatewayProcess, database_url, write_config
from tests.helpers.upstream import Reply, Seen, ThreadedUpstream, error
from tests.matrix.rules import KEY

__all__ = ["DIALECTS", "Stage"]

T = TypeVar("T")

_START_S = 60.0

#: Name in the tests: the model, what the gateway is told of its provider, and the model's name there.
_MODELS: Mapping[str, tuple[Callable[[], Model], Mapping[str, str], str]] = {
    "chat": (ChatModel, {"protocol": "chat", "quirks": "openai"}, "gpt-4.1"),
    "deepseek": (ThinkingModel, {"protocol": "chat", "quirks": "deepseek"}, "deepseek-reasoner"),
    "responses": (NativeModel, {"protocol": "responses", "quirks": "openai"}, "gpt-6"),
    "anthropic": (AnthropicModel, {"protocol": "anthropic"}, "claude-opus-4-6"),
    "gemini": (GeminiModel, {"protocol": "gemini"}, "gemini-3-pro"),
}
DIALECTS = tuple(_MODELS)


class Stage:
    """Use as a context manager. A client says `DIALECT/anything` for the model behind that wire format.

    Attributes:
        models: those of this test, by the names of their dialects.
        url, key: the gateway's, as clients are told.
        strays: what clients asked of other hosts: these are behind a proxy that lets nothing through.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.models: Mapping[str, Model] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage")
        self._upstream = ThreadedUpstream(self._play)
        self._wall = ThreadedUpstream(error(403, "nothing but loopback here"))

    def __enter__(self) -> Self:
        self._upstream.__enter__()
        self._wall.__enter__()
        self._thread.start()
        config = write_config(self._directory, None, **self._sections())
        self.key = add_key(database_url(config))
        self._gateway = self._call(self._start(config))
        self.url = self._gateway.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._gateway.kill())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._wall.__exit__(kind, error, trace)
        self._upstream.__exit__(kind, error, trace)

    @property
    def proxy(self) -> str:
        """Where clients are to send what is for other hosts."""
        return self._wall.url.removesuffix("/v1")

    @property
    def strays(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self._wall.requests]

    @property
    def log(self) -> str:
        """What the gateway wrote."""
        return "\n".join(self._gateway.said)

    def begin(self) -> None:
        """New models for a new test."""
        self.models = {name: make() for name, (make, _, _) in _MODELS.items()}

    def _play(self, request: Seen) -> Reply:
        return self.models[request.path.split("/")[1]](request)

    def _sections(self) -> dict[str, Any]:
        root = self._upstream.url.removesuffix("/v1")
        versions = {"gemini": "v1beta"}
        providers = {
            f"far-{name}": {**settings, "base_url": f"{root}/{name}/{versions.get(name, 'v1')}", "api_key": KEY}
            for name, (_, settings, _) in _MODELS.items()
        }
        models = {f"{name}/*": f"far-{name}/{model}" for name, (_, _, model) in _MODELS.items()}
        return {"providers": providers, "models": models}

    @staticmethod
    async def _start(config: Path) -> GatewayProcess:
        gateway = await GatewayProcess.start(config)
        await gateway.ready()
        return gateway

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)
