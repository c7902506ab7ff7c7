"""Metrics as plain values: they travel between processes, are summed up, and become Prometheus' text form."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

__all__ = ["Family", "Sample", "accumulating", "families_of", "rendered", "total"]

#: Beside the families' own words: of these the greatest counts, of all others the sum.
_GREATEST = "_seconds"


class Sample(Struct, frozen=True, array_like=True):
    """One number. `labels`: name and value by turns, in the order of the family."""

    name: str
    labels: tuple[str, ...]
    value: float


class Family(Struct, frozen=True, array_like=True):
    """One metric with all its numbers. `kind`: `counter`, `gauge` or `histogram`."""

    name: str
    text: str
    kind: str
    samples: tuple[Sample, ...]


def families_of(metrics: Iterable[Metric]) -> Sequence[Family]:
    """What a collector of the Prometheus library gives, as plain values."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            tuple(
                Sample(sample.name, tuple(word for pair in sample.labels.items() for word in pair), sample.value)
                for sample in metric.samples
            ),
        )
        for metric in metrics
    ]


def total(*parts: Sequence[Family]) -> Sequence[Family]:
    """What several processes count, as one: sums, and of gauges in seconds the greatest."""
    found: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[str, ...]], float]] = {}
    for family in (family for part in parts for family in part):
        greatest = family.kind == "gauge" and family.name.endswith(_GREATEST)
        found[family.name] = family
        sums = values.setdefault(family.name, {})
        for sample in family.samples:
            before = sums.get((sample.name, sample.labels), 0.0)
            sums[sample.name, sample.labels] = max(before, sample.value) if greatest else before + sample.value
    return [
        Family(name, family.text, family.kind, tuple(Sample(*key, value) for key, value in values[name].items()))
        for name, family in found.items()
    ]


def accumulating(families: Sequence[Family]) -> Sequence[Family]:
    """What remains of a process that has ended: all it has counted, and nothing of how it was at the end."""
    return [family for family in families if family.kind != "gauge"]


def rendered(families: Sequence[Family]) -> tuple[bytes, bytes]:
    """Prometheus' text form, and its content type."""
    registry = CollectorRegistry()
    registry.register(_Fixed(families))
    return generate_latest(registry), CONTENT_TYPE_LATEST.encode()


class _Fixed(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for sample in family.samples:
                words = iter(sample.labels)
                metric.add_sample(sample.name, dict(zip(words, words, strict=True)), sample.value)
            yield metric
