"""What operators watch: Prometheus metrics with few labels, and one log line per request. Never prompts or outputs.

Counting is plain arithmetic in the event loop's thread, read by the Prometheus library only when somebody asks:
its own counters take a lock each, and six of them would cost more than the protocol work of a request. A `Counter`
takes two and a half times as long as a `defaultdict`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from antiphon.edge.admission import Admission
from antiphon.edge.asgi import Exchange
from antiphon.edge.metrics import Family, families_of
from antiphon.engine.record import Record
from antiphon.protocol.records import RunRow

__all__ = ["AccessLine", "Telemetry"]

_BUCKETS_S = (0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


#: What becomes of attempts. All else is what a provider said of the request, in whatever words.
_OUTCOMES = frozenset(
    {
        "served",
        "left",
        "model_not_found",
        "rate_limit_exceeded",
        "upstream_credential_error",
        "upstream_error",
        "upstream_overloaded",
        "upstream_protocol_error",
        "upstream_quota",
        "upstream_reset",
        "upstream_stall",
        "upstream_timeout",
        "upstream_truncated",
        "upstream_unreachable",
    }
)


class AccessLine(Struct):
    """One line of the access log. `ms` is the time to the end of the answer, `first_ms` to its first output."""

    time: str
    logger: str = "access"
    request_id: str = ""
    method: str = ""
    path: str = ""
    status: int = 0
    ms: float = 0.0
    client: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    response_id: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    run: str | UnsetType = UNSET
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    first_ms: int | UnsetType = UNSET


class _Histogram:
    """Counts per bucket, and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS_S) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(_BUCKETS_S, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        seen = 0
        rows: list[tuple[str, float]] = []
        for limit, count in zip([*map(str, _BUCKETS_S), "+Inf"], self.counts, strict=True):
            seen += count
            rows.append((limit, seen))
        return rows


class Telemetry:
    """Counts requests and runs. One per process; used from the event loop's thread only.

    Args:
        log: takes one line of JSON per request; `None` for no access log.
        timestamp: the current time as the log writes it.
        unwell: how many targets of a provider are in a state in which they are spared.
    """

    def __init__(
        self,
        *,
        log: Callable[[bytes], None] | None,
        timestamp: Callable[[], str],
        unwell: Callable[[], Mapping[tuple[str, str], int]] = dict,
    ) -> None:
        self._log = log
        self._timestamp = timestamp
        self._unwell = unwell
        self._encode = msgspec.json.Encoder().encode
        self._requests: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._runs: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._attempts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._seconds: dict[str, _Histogram] = {}
        self._first = _Histogram()
        self._not_stored = 0
        self._reloads: defaultdict[tuple[str], int] = defaultdict(int)
        self._live_runs = 0
        self._admission: Admission | None = None

    def families(self, *, live_runs: int, admission: Admission) -> Sequence[Family]:
        """All that was counted, as values."""
        self._live_runs = live_runs
        self._admission = admission
        return families_of(self.collect())

    def collect(self) -> Iterator[Metric]:
        """In the Prometheus library's words."""
        for name, help_text, labels, counts in (
            ("antiphon_requests", "HTTP requests by route and status.", ("route", "status"), self._requests),
            ("antiphon_runs", "Model runs by provider and outcome.", ("provider", "status"), self._runs),
            (
                "antiphon_attempts",
                "Calls of providers by provider and outcome.",
                ("provider", "outcome"),
                self._attempts,
            ),
            ("antiphon_tokens", "Tokens by provider and kind.", ("provider", "kind"), self._tokens),
            ("antiphon_reloads", "Times that the settings were read anew, by result.", ("result",), self._reloads),
        ):
            family = CounterMetricFamily(name, help_text, labels=labels)
            for values, count in counts.items():
                family.add_metric(values, count)
            yield family
        seconds = HistogramMetricFamily(
            "antiphon_request_seconds", "Time to the end of the answer, by route.", labels=["route"]
        )
        for route, histogram in self._seconds.items():
            seconds.add_metric([route], histogram.buckets(), histogram.total)
        yield seconds
        first = HistogramMetricFamily("antiphon_first_output_seconds", "Time to a run's first output.")
        first.add_metric([], self._first.buckets(), self._first.total)
        yield first
        yield CounterMetricFamily(
            "antiphon_not_stored", "Responses that should have been stored and could not be.", value=self._not_stored
        )
        spared = GaugeMetricFamily(
            "antiphon_spared_targets",
            "Targets that are spared for what happened there, by provider and reason.",
            labels=["provider", "reason"],
        )
        for values, count in self._unwell().items():
            spared.add_metric(values, count)
        yield spared
        yield GaugeMetricFamily("antiphon_live_runs", "Runs under way.", value=self._live_runs)
        yield GaugeMetricFamily("antiphon_workers", "Processes that serve.", value=1)
        yield CounterMetricFamily("antiphon_worker_restarts", "Processes that died and were replaced.", value=0)
        yield from self._collect_load()

    def _collect_load(self) -> Iterator[Metric]:
        admission = self._admission
        refused = CounterMetricFamily("antiphon_refused", "Requests not let in, by reason.", labels=["reason"])
        for reason in ("runs", "lag", "connections"):
            refused.add_metric([reason], admission.refused[reason] if admission else 0)
        yield refused
        yield GaugeMetricFamily(
            "antiphon_open_requests", "Requests under way.", value=admission.under_way if admission else 0
        )
        yield GaugeMetricFamily(
            "antiphon_loop_lag_seconds", "How late the event loop was.", value=admission.lag_s if admission else 0.0
        )

    def reloaded(self, *, changed: bool) -> None:
        """The settings were read anew, and taken over or refused."""
        self._reloads["ok" if changed else "refused",] += 1

    def request_done(self, exchange: Exchange, seconds: float) -> None:
        """One request has ended, however it ended. 499 stands for a client that left."""
        route = exchange.route or "unknown"
        status = 499 if exchange.client_gone else exchange.status
        self._requests[route, str(status)] += 1
        histogram = self._seconds.get(route)
        if histogram is None:
            histogram = self._seconds[route] = _Histogram()
        histogram.observe(seconds)
        run = exchange.run
        row = run.row if run is not None else None
        first_ms = run.record.timing.first_event if run is not None else None
        if run is not None and row is not None:
            self._count_run(row, run.record)
        for more in exchange.more_runs:
            if more.row is not None:
                self._count_run(more.row, more.record)
        if run is not None and run.record.notices:
            self._not_stored += any(notice.reason == "store_unavailable" for notice in run.record.notices)
        if self._log is not None:
            self._log(self._encode(self._line(exchange, row, status=status, seconds=seconds, first_ms=first_ms)))

    def _count_run(self, row: RunRow, record: Record) -> None:
        self._runs[row.provider, row.status] += 1
        if row.input_tokens is not None and row.output_tokens is not None:
            self._tokens[row.provider, "input"] += row.input_tokens
            self._tokens[row.provider, "output"] += row.output_tokens
        first_ms = record.timing.first_event
        if first_ms is not None:
            self._first.observe(first_ms / 1000)
        for attempt in record.attempts:  # mostly one
            outcome = attempt.outcome or "left"
            provider = attempt.target.partition("/")[0]
            self._attempts[provider, outcome if outcome in _OUTCOMES else "refused"] += 1

    def _line(
        self, exchange: Exchange, row: RunRow | None, *, status: int, seconds: float, first_ms: int | None
    ) -> AccessLine:
        scope, principal = exchange.scope, exchange.principal
        line = AccessLine(
            time=self._timestamp(),
            request_id=exchange.request_id,
            method=scope["method"],
            path=scope["path"][:512],
            status=status,
            ms=int(seconds * 10_000 + 0.5) / 10,
        )
        if client := scope.get("client"):
            line.client = client[0]
        if principal is not None:
            line.tenant, line.key = principal.tenant.id, principal.key_name
        if error := exchange.error or (row.error_code if row is not None else None):
            line.error = error
        if row is not None and exchange.run is not None:
            line.response_id = exchange.run.record.id
            line.model, line.provider, line.run = row.model, row.provider, row.status
            line.input_tokens, line.output_tokens = _known(row.input_tokens), _known(row.output_tokens)
        line.first_ms = _known(first_ms)
        return line


def _known(value: int | None) -> int | UnsetType:
    return UNSET if value is None else value
