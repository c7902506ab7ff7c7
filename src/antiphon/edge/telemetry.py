"""What operators watch: Prometheus metrics with few labels, and one log line per request. Never prompts or outputs."""

import logging

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from antiphon.edge.asgi import Exchange

__all__ = ["Telemetry"]

_SECONDS = (0.005, 0.02, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_access = logging.getLogger("antiphon.access")
_encoder = msgspec.json.Encoder()


class Telemetry:
    """Counts requests and runs. One per process."""

    def __init__(self, *, access_log: bool = True) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._access_log = access_log
        self._requests = Counter(
            "antiphon_requests", "HTTP requests by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "antiphon_request_seconds", "Time to the end of the answer.", ["route"], registry=registry, buckets=_SECONDS
        )
        self._runs = Counter(
            "antiphon_runs", "Model runs by provider and outcome.", ["provider", "status"], registry=registry
        )
        self._tokens = Counter("antiphon_tokens", "Tokens by provider.", ["provider", "kind"], registry=registry)
        self._first = Histogram(
            "antiphon_first_output_seconds", "Time to the first output.", registry=registry, buckets=_SECONDS
        )
        self._live = Gauge("antiphon_live_runs", "Runs under way.", registry=registry)
        self._children: dict[tuple[str, ...], Counter | Histogram] = {}

    def render(self, *, live_runs: int) -> tuple[bytes, bytes]:
        """The metrics in Prometheus' text form, and its content type."""
        self._live.set(live_runs)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST.encode()

    def request_done(self, exchange: Exchange, seconds: float) -> None:
        """One request has ended, however it ended. 499 stands for a client that left."""
        route = exchange.route or "unknown"
        status = 499 if exchange.client_gone else exchange.status
        self._count(self._requests, route, str(status))
        self._observe(self._seconds, route, seconds=seconds)
        line: dict[str, object] = {
            "request_id": exchange.request_id,
            "method": exchange.scope["method"],
            "path": exchange.scope["path"][:512],
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if exchange.principal is not None:
            line["tenant"] = exchange.principal.tenant.id
            line["key"] = exchange.principal.key_name
        if exchange.error:
            line["error"] = exchange.error
        if exchange.run is not None:
            self._run_done(exchange, line)
        if self._access_log:
            _access.info("%s", _encoder.encode(line).decode())

    def _run_done(self, exchange: Exchange, line: dict[str, object]) -> None:
        run = exchange.run
        if run is None or run.row is None:
            return
        row = run.row
        line |= {"response_id": run.record.id, "model": row.model, "provider": row.provider, "run": row.status}
        self._count(self._runs, row.provider, row.status)
        if row.input_tokens is not None and row.output_tokens is not None:
            self._count(self._tokens, row.provider, "input", amount=row.input_tokens)
            self._count(self._tokens, row.provider, "output", amount=row.output_tokens)
            line |= {"input_tokens": row.input_tokens, "output_tokens": row.output_tokens}
        first_ms = run.record.timing.first_event
        if first_ms is not None:
            self._first.observe(first_ms / 1000)
            line["first_ms"] = first_ms

    def _count(self, metric: Counter, *labels: str, amount: int = 1) -> None:
        key = (metric._name, *labels)  # noqa: SLF001 - looking a child up by its labels costs more than counting
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        child.inc(amount)  # type: ignore[union-attr]  # only counters are kept under a counter's name

    def _observe(self, metric: Histogram, *labels: str, seconds: float) -> None:
        metric.labels(*labels).observe(seconds)
