"""The composition root: settings in, a wired ASGI application out. The only module that constructs things."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Self

from starlette.middleware.cors import CORSMiddleware

from antiphon.access.keys import KeyRing
from antiphon.access.seal_keys import load_seal_keys
from antiphon.config.load import load
from antiphon.config.settings import ServerSettings, Settings
from antiphon.edge.app import Edge, Services
from antiphon.edge.asgi import Receive, Scope, Send
from antiphon.edge.body import BodyReader
from antiphon.edge.routes import ROUTES
from antiphon.edge.sse_out import StreamSettings
from antiphon.edge.telemetry import Telemetry
from antiphon.engine.engine import Engine
from antiphon.engine.media import MediaInliner
from antiphon.engine.prepare import Parts, RunLimits
from antiphon.engine.seal import Sealer
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.lib.log import AccessLog, Timestamp
from antiphon.local.model import LocalModelError, Progress, ensure_model
from antiphon.local.supervisor import LocalModel
from antiphon.local.supervisor import LocalSettings as LocalProcess
from antiphon.protocol.faults import StoreFault
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.gemini.codec import GeminiCodec
from antiphon.providers.responses.codec import ResponsesCodec
from antiphon.routing.catalog import build_catalog, local_provider
from antiphon.routing.doors import ResponsesOnly
from antiphon.routing.router import ModelRouter
from antiphon.store.base import StoreSettings
from antiphon.store.sql import SqlStore
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.client import UpstreamClient
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher

__all__ = ["Application", "AsgiApp", "create_app", "open_services"]

_log = logging.getLogger(__name__)
_MIB = 1024 * 1024
_PURGE_EVERY_S = 600.0
_LOCAL_START_S = 10.0

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Application:
    """The ASGI application with its lifetime: opens everything on `lifespan.startup`, closes it on shutdown."""

    def __init__(self, settings: Settings, *, progress: Progress = lambda *_: None) -> None:
        self.settings = settings
        self.services: Services | None = None
        self._progress = progress
        self._app: AsgiApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or live through a lifespan."""
        if scope["type"] == "http" and self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def drain(self, patience_s: float | None = None) -> None:
        """Let the runs under way end, or end them after `patience_s`, by default `server.drain_s`."""
        if self.services is not None:
            await self.services.engine.drain(self.settings.server.drain_s if patience_s is None else patience_s)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                services = await stack.enter_async_context(open_services(self.settings, progress=self._progress))
            except Exception as error:
                _log.exception("startup failed")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            self.services = services
            self._app = _with_cors(Edge(services, ROUTES), self.settings)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.drain()  # our own server has done so already; others stop here first
        await send({"type": "lifespan.shutdown.complete"})


def create_app() -> Application:
    """For ASGI servers that take a factory (`antiphon.app:create_app`); settings from the environment."""
    return Application(load(None, os.environ))


@asynccontextmanager
async def open_services(settings: Settings, *, progress: Progress) -> AsyncIterator[Services]:
    """Everything behind the edge, for as long as the context lasts."""
    clock, ids = SystemClock(), SystemIds()
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        local = await _local_model(settings, progress=progress)
        extra = [local_provider(local.base_url, secret=local.api_key, context=local.context)] if local else []
        catalog = build_catalog(settings, extra=extra)
        router = ModelRouter(catalog, created=clock.now())
        store = await asyncio.to_thread(
            SqlStore.open,
            settings.database_url,
            clock,
            settings=StoreSettings(synchronous=settings.store.synchronous),
        )
        stack.push_async_callback(store.close)
        keys = await stack.enter_async_context(KeyRing(store, clock))
        client = await stack.enter_async_context(UpstreamClient(connect_s=settings.limits.connect_s))
        log = AccessLog() if settings.server.access_log else None
        if log is not None:
            stack.callback(log.close)
        telemetry = Telemetry(log=log.write if log else None, timestamp=Timestamp())
        background = await stack.enter_async_context(_Background())
        if local is not None:
            background.start(local.run())
            await _first_breath(local)
        background.start(_purge(store, clock, run_days=settings.store.run_days))
        parts = Parts(
            store=store,
            router=router,
            client=client,
            media=MediaInliner(_fetcher(settings)),
            codecs={
                "chat": ChatCodec(),
                "responses": ResponsesCodec(),
                "anthropic": AnthropicCodec(),
                "gemini": GeminiCodec(),
            },
            clock=clock,
            ids=ids,
            limits=_limits(settings),
            sealer=Sealer(await asyncio.to_thread(load_seal_keys, settings.store.seal_keys, settings.data_path)),
        )
        engine = Engine(parts)
        background.start(engine.keep_time())
        server = settings.server
        yield Services(
            engine=engine,
            keys=keys,
            router=router,
            bodies=_bodies(server),
            streams=StreamSettings(server.heartbeat_s, server.early_status_s, server.send_stall_s),
            clock=clock,
            telemetry=telemetry,
            new_request_id=ids.new_request_id,
            ready=_readiness(store, local, alone=len(catalog.providers) == 1),
            serves_docs=server.docs,
            responses_only=_responses_only(settings),
        )


def _limits(settings: Settings) -> RunLimits:
    store = settings.store
    return RunLimits(settings.limits.run_s, store.retention_days or None, store.first_line, store.call_state_hours)


class _Background:
    """Tasks that live as long as the services; cancelled and awaited at the end."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    def start(self, work: Awaitable[None]) -> None:
        """Run this until the end."""
        self._tasks.append(self._group.create_task(_awaited(work)))

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _local_model(settings: Settings, *, progress: Progress) -> LocalModel | None:
    """The local model, or nothing when it is off or cannot be had: other providers still work."""
    local = settings.local
    if not local.enabled:
        return None
    try:
        path = await ensure_model(settings.data_path, override=local.model, progress=progress)
    except LocalModelError as error:
        _log.warning("%s", error)
        return None
    process = LocalProcess(path, slots=local.slots, threads=local.threads, tame=local.model is None)
    if local.context is not None:
        process = replace(process, context=local.context * local.slots)
    return LocalModel(process)


def _fetcher(settings: Settings) -> GuardedFetcher | None:
    fetch = settings.fetch
    if not fetch.enabled:
        return None
    return GuardedFetcher(
        FetchSettings(
            policy=AddressPolicy.allowing(fetch.allow), max_bytes=fetch.max_mib * _MIB, total_s=fetch.timeout_s
        )
    )


async def _first_breath(local: LocalModel) -> None:
    """Let the local model come up before the first request: it takes under a second. A broken one is not waited for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOCAL_START_S):
            while not local.ready.is_set() and local.failure is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(local.ready.wait(), 0.1)


async def _purge(store: SqlStore, clock: SystemClock, *, run_days: int) -> None:
    """Delete what has expired, now and then."""
    while True:
        try:
            await store.purge(clock.now())
            await store.purge_calls(clock.now())
            if run_days:
                await store.purge_runs(clock.now() - run_days * 86400)
        except StoreFault as fault:
            _log.warning("purging expired responses failed, trying again later: %s", fault.detail)
        await asyncio.sleep(_PURGE_EVERY_S)


def _readiness(store: SqlStore, local: LocalModel | None, *, alone: bool) -> Callable[[], Awaitable[dict[str, str]]]:
    """What readiness reports. A local model that keeps failing only counts when there is no other provider."""

    async def ready() -> dict[str, str]:
        checks = {"store": "ok"}
        try:
            await store.ping()
        except StoreFault:
            checks["store"] = "unavailable"
        if local is not None and not local.ready.is_set():
            checks["local_model"] = "starting" if alone or local.failure is None else "degraded"
        return checks

    return ready


def _bodies(server: ServerSettings) -> BodyReader:
    return BodyReader(
        max_bytes=server.max_body_mib * _MIB,
        max_total_bytes=server.max_memory_bodies_mib * _MIB,
        idle_s=server.body_idle_s,
    )


def _responses_only(settings: Settings) -> ResponsesOnly | None:
    endpoints = settings.endpoints
    return ResponsesOnly(endpoints.responses_only_models) if endpoints.responses_only == "refuse" else None


def _with_cors(app: AsgiApp, settings: Settings) -> AsgiApp:
    origins = settings.server.cors_origins
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "x-actual-model", "x-antiphon-ignored", "retry-after"],
    )
