"""What servers count of themselves, in plain numbers: they are put into Prometheus's form when somebody asks.

`prometheus_client`'s own counters take a lock, which one thread does not need. Beside them these cost less than half
for a count and a sixth for a duration: 0.36 and 0.85 us, 0.31 and 1.9 us, measured in turn with Python 3.11.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

DURATIONS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for how long things take: a store a millisecond or two on a good disk, an operation 4 s at most."""

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Upper bounds for how many share something."""

Labels = Sequence[str]


class Distribution:
    """How often values were up to each of some bounds, and their sum."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def observe_all(self, values: list[float]) -> None:
        """As `observe` for each. They are sorted meanwhile."""
        values.sort()
        below = 0
        for place, bound in enumerate(self._bounds):
            up_to = bisect_right(values, bound)
            self._counts[place] += up_to - below
            below = up_to
        self._counts[-1] += len(values) - below
        self.sum += sum(values)

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each has what is below its bound, all that is below others included."""
        found, below = [], 0
        for bound, count in zip((*map(float, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            found.append((str(bound), float(below)))
        return found


def counter(name: str, text: str, labels: Labels, counts: Counter[tuple[str, ...]]) -> Metric:
    """:param name: without the ``_total`` that is added to it."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def count(name: str, text: str, number: int) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, text, value=number)


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Labels, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for each, value in values:
        family.add_metric(each, value)
    return family


def histogram(
    name: str, text: str, labels: Labels, distributions: Iterable[tuple[tuple[str, ...], Distribution]]
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, each in distributions:
        family.add_metric(values, each.buckets(), each.sum)
    return family
