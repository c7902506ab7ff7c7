"""Liveness, readiness and metrics."""

from collections.abc import Sequence

import msgspec

from antiphon import __version__
from antiphon.edge.app import Services
from antiphon.edge.asgi import Exchange, send_bytes
from antiphon.edge.metrics import Family, rendered

__all__ = ["counted", "healthz", "metrics", "readyz"]


async def healthz(services: Services, exchange: Exchange) -> None:
    """`GET /healthz`: the process answers."""
    del services
    await send_bytes(exchange, 200, body=msgspec.json.encode({"status": "ok", "version": __version__}))


async def readyz(services: Services, exchange: Exchange) -> None:
    """`GET /readyz`: 200 when requests can be served, else 503 naming what is missing."""
    checks = await services.ready()
    if services.engine.draining:
        checks["server"] = "shutting down"
    ready = all(state in ("ok", "degraded") for state in checks.values())
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    await send_bytes(exchange, 200 if ready else 503, body=msgspec.json.encode(body))


def counted(services: Services) -> Sequence[Family]:
    """What this process has counted, and how it is now."""
    return services.telemetry.families(live_runs=services.engine.live_runs, admission=services.admission)


async def metrics(services: Services, exchange: Exchange) -> None:
    """`GET /metrics`, for Prometheus: of all processes that serve together."""
    families = counted(services)
    if services.total is not None:
        families = await services.total(families)
    body, content_type = rendered(families)
    await send_bytes(exchange, 200, body=body, content_type=content_type)
