"""Metrics of several processes as one."""

from antiphon.edge.metrics import Family, Sample, accumulating, families_of, rendered, total
from antiphon.edge.telemetry import Telemetry


def counter(**values: float) -> Family:
    samples = tuple(Sample("asked_total", ("route", route), value) for route, value in values.items())
    return Family("asked", "Requests.", "counter", samples)


def gauge(name: str, value: float) -> Family:
    return Family(name, "How it is.", "gauge", (Sample(name, (), value),))


def test_counters_and_gauges_are_summed_by_their_labels() -> None:
    assert total([counter(a=1, b=2), gauge("live", 1)], [counter(a=3, c=4), gauge("live", 2)]) == [
        counter(a=4, b=2, c=4),
        gauge("live", 3),
    ]


def test_of_gauges_in_seconds_the_greatest_counts() -> None:
    assert total([gauge("lag_seconds", 0.1)], [gauge("lag_seconds", 0.3)], [gauge("lag_seconds", 0.2)]) == [
        gauge("lag_seconds", 0.3)
    ]


def test_process_that_has_ended_leaves_what_it_counted_and_not_how_it_was() -> None:
    assert accumulating([counter(a=1), gauge("live", 1)]) == [counter(a=1)]


def test_values_become_the_text_that_the_library_makes_of_them() -> None:
    text, content_type = rendered([counter(a=1), gauge("live", 2)])
    assert text.decode().splitlines() == [
        "# HELP asked_total Requests.",
        "# TYPE asked_total counter",
        'asked_total{route="a"} 1.0',
        "# HELP live How it is.",
        "# TYPE live gauge",
        "live 2.0",
    ]
    assert content_type.startswith(b"text/plain")


def test_histograms_keep_the_order_of_their_buckets() -> None:
    families = families_of(Telemetry(log=None, timestamp=str).collect())
    both = rendered(total(families, families))[0].decode()
    buckets = [
        line.split('"')[1] for line in both.splitlines() if line.startswith("antiphon_first_output_seconds_bucket")
    ]
    assert buckets == sorted(buckets, key=float)
    assert len(buckets) == 12
