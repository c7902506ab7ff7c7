"""The composition root: settings in, a wired ASGI application out. The only module that constructs things."""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from msgspec import Struct
from starlette.middleware.cors import CORSMiddleware

from antiphon.access.keys import KeyRing
from antiphon.access.seal_keys import load_seal_keys
from antiphon.config.changes import with_fixed
from antiphon.config.load import load
from antiphon.config.problems import ConfigError, Problem
from antiphon.config.settings import ServerSettings, Settings
from antiphon.edge.admission import Admission
from antiphon.edge.app import Edge, Services, Total
from antiphon.edge.asgi import Receive, Scope, Send
from antiphon.edge.body import BodyReader
from antiphon.edge.capacity import capacity
from antiphon.edge.routes import ROUTES
from antiphon.edge.sse_out import StreamSettings
from antiphon.edge.telemetry import Telemetry
from antiphon.engine.engine import Engine
from antiphon.engine.media import MediaInliner
from antiphon.engine.prepare import Parts, RunLimits
from antiphon.engine.retries import RetryBudget, RetryPolicy
from antiphon.engine.seal import Sealer
from antiphon.lib.background import Background
from antiphon.lib.clock import SystemClock, SystemIds
from antiphon.lib.log import AccessLog, Timestamp
from antiphon.local.elsewhere import ModelElsewhere
from antiphon.local.model import Progress
from antiphon.local.start import first_breath, local_model
from antiphon.local.supervisor import LocalModel
from antiphon.protocol.faults import StoreFault
from antiphon.protocol.target import Target
from antiphon.providers.anthropic.codec import AnthropicCodec
from antiphon.providers.chat.codec import ChatCodec
from antiphon.providers.gemini.codec import GeminiCodec
from antiphon.providers.responses.codec import ResponsesCodec
from antiphon.routing.catalog import build_catalog, local_provider
from antiphon.routing.doors import ResponsesOnly
from antiphon.routing.health import TargetHealth
from antiphon.routing.probes import keep_looking
from antiphon.routing.router import ModelRouter
from antiphon.store.base import StoreSettings
from antiphon.store.sql import SqlStore
from antiphon.tools.base import HostedKind
from antiphon.tools.web.build import open_web_search
from antiphon.upstream.addresses import AddressPolicy
from antiphon.upstream.client import UpstreamClient
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher

__all__ = ["Application", "AsgiApp", "Shared", "create_app"]

_log = logging.getLogger(__name__)
_MIB = 1024 * 1024
_PURGE_EVERY_S = 600.0

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Application:
    """The ASGI application with its lifetime: opens everything on `lifespan.startup`, closes it on shutdown.

    Args:
        shared: for one of several processes: what another does for all of them.
    """

    def __init__(
        self, settings: Settings, *, progress: Progress = lambda *_: None, shared: "Shared | None" = None
    ) -> None:
        self.settings = settings
        self.admission = Admission(capacity(settings))
        self._shared = shared
        self.services: Services | None = None
        self._lasting: _Lasting | None = None
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

    async def reload(self, settings: Settings) -> Sequence[str]:
        """Serve what comes from now on with other settings; what is under way goes on as it began.

        Returns the names of the settings that differ and stay as they were, because they need a restart.

        Raises:
            ConfigError: they cannot be used; nothing has changed.
        """
        settings, stay = with_fixed(self.settings, settings)
        if self._lasting is not None and self.services is not None:
            services = await _services(settings, self._lasting, before=self.services)
            self.admission.use(capacity(settings))
            self._lasting.client.renew(connect_s=settings.limits.connect_s)
            self._serve(services, settings)
        self.settings = settings
        return stay

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            try:
                opening = _open_lasting(
                    self.settings, progress=self._progress, shared=self._shared, admission=self.admission
                )
                lasting = await stack.enter_async_context(opening)
                settings = self.settings
                services = await _services(settings, lasting)
                background = await stack.enter_async_context(Background())
                background.start(services.engine.keep_time())
                background.start(
                    keep_looking(
                        self._servers, lambda: self.settings.health, client=lasting.client, health=lasting.health
                    )
                )
                background.start(_purge(lasting, lambda: self.settings.store.run_days))
            except Exception as error:
                _log.exception("startup failed")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            self._lasting = lasting
            self._serve(services, settings)
            if self.settings is not settings:  # they have changed in the middle of starting
                await self.reload(self.settings)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.drain()  # our own server has done so already; others stop here first
        await send({"type": "lifespan.shutdown.complete"})

    def _servers(self) -> Iterable[Target]:
        """A target at each server."""
        return () if self.services is None else self.services.router.servers()

    def _serve(self, services: Services, settings: Settings) -> None:
        self.services = services
        self._app = _with_cors(Edge(services, ROUTES), settings)


def create_app() -> Application:
    """For ASGI servers that take a factory (`antiphon.app:create_app`); settings from the environment."""
    return Application(load(None, os.environ))


class Shared(Struct, frozen=True):
    """What one process does for several: it runs the local model, and sums up what all have counted."""

    model: ModelElsewhere | None
    total: Total


class _Lasting(Struct, frozen=True):
    """What lives as long as the process, whatever becomes of the settings."""

    local: LocalModel | ModelElsewhere | None
    total: Total | None
    store: SqlStore
    keys: KeyRing
    client: UpstreamClient
    tools: "_Tools"
    telemetry: Telemetry
    health: TargetHealth
    retries: RetryBudget
    clock: SystemClock
    ids: SystemIds
    admission: Admission
    since: int


class _Tools:
    """Hosted tools. Those of earlier settings are closed at the end: runs that began with them may go on for long."""

    def __init__(self, stack: AsyncExitStack, client: UpstreamClient, clock: SystemClock) -> None:
        self._stack = stack
        self._client = client
        self._clock = clock
        self._made_of: object = None
        self._kinds: Sequence[HostedKind] = ()

    async def under(self, settings: Settings) -> Sequence[HostedKind]:
        """What there is under these settings. Raises `ConfigError`."""
        made_of = (settings.search_engine, settings.web_search)
        if made_of != self._made_of:
            opening = open_web_search(
                settings, self._client, monotonic=self._clock.monotonic, new_mark=partial(secrets.token_hex, 8)
            )
            search = await self._stack.enter_async_context(opening)
            self._made_of, self._kinds = made_of, () if search is None else (search,)
        return self._kinds


@asynccontextmanager
async def _open_lasting(
    settings: Settings, *, progress: Progress, shared: Shared | None, admission: Admission
) -> AsyncIterator[_Lasting]:
    """Open what has to be closed again."""
    clock = SystemClock()
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        local = await local_model(settings, progress=progress) if shared is None else shared.model
        durability = StoreSettings(synchronous=settings.store.synchronous)
        store = await asyncio.to_thread(SqlStore.open, settings.database_url, clock, settings=durability)
        stack.push_async_callback(store.close)
        keys = await stack.enter_async_context(KeyRing(store, clock))
        client = await stack.enter_async_context(
            UpstreamClient(connect_s=settings.limits.connect_s, most=admission.max_runs)
        )
        log = AccessLog() if settings.server.access_log else None
        if log is not None:
            stack.callback(log.close)
        background = await stack.enter_async_context(Background())
        if isinstance(local, LocalModel):
            background.start(local.run())
            await first_breath(local)
        health = TargetHealth(clock.monotonic)
        yield _Lasting(
            local=local,
            total=None if shared is None else shared.total,
            store=store,
            keys=keys,
            client=client,
            tools=_Tools(stack, client, clock),
            telemetry=Telemetry(log=log.write if log else None, timestamp=Timestamp(), unwell=health.unwell),
            health=health,
            retries=RetryBudget(),
            clock=clock,
            ids=SystemIds(),
            admission=admission,
            since=clock.now(),
        )


async def _services(settings: Settings, lasting: _Lasting, *, before: Services | None = None) -> Services:
    """What requests are served with under these settings. `before`: what it takes the place of.

    Raises `ConfigError`. Then nothing has changed.
    """
    local = lasting.local
    extra = [local_provider(local.base_url, secret=local.api_key, context=local.context)] if local else []
    catalog = await asyncio.to_thread(build_catalog, settings, extra=extra)
    router = ModelRouter(catalog, created=lasting.since, health=lasting.health)
    parts = await _parts(settings, lasting, router=router)
    if before is None:
        engine = Engine(parts, has_room=lasting.admission.has_room)
    else:
        engine = before.engine
        lasting.health.forgive()
        engine.use(parts)
    server = settings.server
    return Services(
        engine=engine,
        keys=lasting.keys,
        router=router,
        bodies=_bodies(server),
        streams=StreamSettings(server.heartbeat_s, server.early_status_s, server.send_stall_s),
        clock=lasting.clock,
        telemetry=lasting.telemetry,
        admission=lasting.admission,
        total=lasting.total,
        new_request_id=lasting.ids.new_request_id,
        ready=_readiness(lasting.store, local, alone=len(catalog.providers) == 1),
        serves_docs=server.docs,
        responses_only=_responses_only(settings),
    )


async def _parts(settings: Settings, lasting: _Lasting, *, router: ModelRouter) -> Parts:
    """What a run works with."""
    try:
        seal_keys = await asyncio.to_thread(load_seal_keys, settings.store.seal_keys, settings.data_path)
    except (ValueError, OSError) as error:  # safe to show
        raise ConfigError([Problem("", ("store", "seal_keys"), str(error))]) from error
    return Parts(
        store=lasting.store,
        router=router,
        client=lasting.client,
        media=MediaInliner(_fetcher(settings)),
        codecs={
            "chat": ChatCodec(),
            "responses": ResponsesCodec(),
            "anthropic": AnthropicCodec(),
            "gemini": GeminiCodec(),
        },
        clock=lasting.clock,
        ids=lasting.ids,
        limits=_limits(settings),
        sealer=Sealer(seal_keys),
        health=lasting.health,
        retries=RetryPolicy(settings.retries, budget=lasting.retries),
        tools=await lasting.tools.under(settings),
    )


def _limits(settings: Settings) -> RunLimits:
    store, search = settings.store, settings.web_search
    return RunLimits(
        settings.limits.run_s,
        store.retention_days or None,
        store.first_line,
        store.call_state_hours,
        tool_s=max(30.0, search.timeout_s + 5, search.page_timeout_s + 5),
    )


def _fetcher(settings: Settings) -> GuardedFetcher | None:
    fetch = settings.fetch
    if not fetch.enabled:
        return None
    return GuardedFetcher(
        FetchSettings(
            policy=AddressPolicy.allowing(fetch.allow), max_bytes=fetch.max_mib * _MIB, total_s=fetch.timeout_s
        )
    )


async def _purge(lasting: _Lasting, run_days: Callable[[], int]) -> None:
    """Delete what has expired, now and then."""
    store, clock = lasting.store, lasting.clock
    while True:
        try:
            await store.purge(clock.now())
            await store.purge_calls(clock.now())
            if days := run_days():
                await store.purge_runs(clock.now() - days * 86400)
        except StoreFault as fault:
            _log.warning("purging expired responses failed, trying again later: %s", fault.detail)
        await asyncio.sleep(_PURGE_EVERY_S)


def _readiness(
    store: SqlStore, local: LocalModel | ModelElsewhere | None, *, alone: bool
) -> Callable[[], Awaitable[dict[str, str]]]:
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
        expose_headers=[
            "x-request-id",
            "x-actual-model",
            "x-antiphon-ignored",
            "x-fallback-used",
            "x-fallback-from",
            "x-fallback-reason",
            "x-web-search-used",
            "x-web-search-count",
            "x-web-search-status",
            "retry-after",
        ],
    )
