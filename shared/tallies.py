"""Counting without touching Prometheus in the hot path.

Owns the plain Python counters, the folding of them into prometheus_client and the rendering of /metrics.
Must never name a metric: shared/metrics.py is the page of names.
"""

import os
from bisect import bisect_left
from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from typing import Literal

SHARED_DIR = "PROMETHEUS_MULTIPROC_DIR"
if _directory := os.environ.get("RINGPOST_METRICS_DIR"):
    Path(_directory).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(SHARED_DIR, _directory)

# The library chooses between one process and a shared folder when it is first imported, hence the order.
from prometheus_client import (  # noqa: E402
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402
from prometheus_client.process_collector import ProcessCollector  # noqa: E402

disable_created_metrics()  # type: ignore[no-untyped-call] # the library annotates little
REGISTRY = CollectorRegistry()
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTHER = "other"
OPEN: frozenset[str] = frozenset()  # a label whose values the code itself fixes, as route templates do
_MOST_SERIES_FROM_THE_START = 64

Labels = Mapping[str, Collection[str]]
Folding = Literal["livesum", "livemax", "livemin", "livemostrecent"]


class Tally:
    """A counter: `add` is a dict addition, `fold` moves the sums on.

    Shape: each label comes with all values it may have; any other value counts as `other`.
    """

    __slots__ = ("_allowed", "_counter", "_pending")

    def __init__(self, name: str, text: str, *, labels: Labels | None = None) -> None:
        self._allowed = tuple(frozenset(values) for values in (labels or {}).values())
        self._counter = Counter(name, text, tuple(labels or ()), registry=REGISTRY)
        self._pending: dict[tuple[str, ...], int] = {}
        _start_at_zero(self._counter, labels)
        _TALLIES.append(self)

    def add(self, *labels: str, n: int = 1) -> None:
        """Count n more. Cost: one dict addition."""
        self._pending[labels] = self._pending.get(labels, 0) + n

    def fold(self) -> None:
        """Move what was counted since the last time into the exposed counter."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        for labels, n in pending.items():
            (self._counter.labels(*_closed(labels, self._allowed)) if labels else self._counter).inc(n)


class Cell:
    """The pending observations of one histogram series."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """One duration. Cost: a bisection of 14 bounds."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total += seconds

    def take(self) -> tuple[list[int], float]:
        """What was observed since the last time, which starts anew."""
        taken = self.counts, self.total
        self.counts = [0] * len(self.counts)
        self.total = 0.0
        return taken


class Timing:
    """A histogram of durations. Units: seconds, buckets 0.5 ms to 10 s."""

    __slots__ = ("_allowed", "_cells", "_histogram")

    def __init__(self, name: str, text: str, *, labels: Labels | None = None) -> None:
        self._allowed = tuple(frozenset(values) for values in (labels or {}).values())
        self._histogram = Histogram(name, text, tuple(labels or ()), registry=REGISTRY, buckets=BUCKETS_S)
        self._cells: dict[tuple[str, ...], Cell] = {}
        _start_at_zero(self._histogram, labels)
        _TALLIES.append(self)

    def cell(self, *labels: str) -> Cell:
        """The series itself, for a caller who observes it often."""
        found = self._cells.get(labels)
        if found is None:
            found = self._cells[labels] = Cell()
        return found

    def observe(self, seconds: float, *labels: str) -> None:
        """One duration of one series."""
        self.cell(*labels).observe(seconds)

    def fold(self) -> None:
        """Move what was observed since the last time into the exposed histogram."""
        for labels, cell in self._cells.items():
            if not any(cell.counts):
                continue
            counts, total = cell.take()
            series = self._histogram.labels(*_closed(labels, self._allowed)) if labels else self._histogram
            # The library has no way to add many observations at once but its own two fields.
            for bucket, n in zip(series._buckets, counts, strict=True):
                if n:
                    bucket.inc(n)
            series._sum.inc(total)


class Level:
    """A gauge. Shape: folding says what several workers' values make together."""

    __slots__ = ("_gauge",)

    def __init__(self, name: str, text: str, *, folding: Folding, labels: Labels | None = None) -> None:
        self._gauge = Gauge(name, text, tuple(labels or ()), registry=REGISTRY, multiprocess_mode=folding)

    def set(self, value: float, *labels: str) -> None:
        """The value from now on."""
        (self._gauge.labels(*labels) if labels else self._gauge).set(value)


class RequestMeter:
    """Requests of one route and method: counts by status and how long they took."""

    __slots__ = ("_cell", "_labels", "_requests", "_statuses")

    def __init__(self, requests: Tally, seconds: Timing, *, route: str, method: str) -> None:
        self._requests = requests
        self._cell = seconds.cell(route, method)
        self._labels = (route, method)
        self._statuses: dict[int, int] = {}

    def count(self, status: int, seconds: float) -> None:
        """One answered request. Cost: a dict addition and a bisection."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._cell.observe(seconds)

    def fold(self) -> None:
        """Hand the counts on to the tally, before that one is folded."""
        statuses, self._statuses = self._statuses, {}
        for status, n in statuses.items():
            self._requests.add(*self._labels, str(status), n=n)


_TALLIES: list[Tally | Timing] = []


def fold_all() -> None:
    """Make /metrics true up to now; each 100 ms and before exit. Cost: one step per series that moved."""
    for tally in _TALLIES:
        tally.fold()


def render() -> bytes:
    """The text of /metrics: all workers that share the folder, dead ones' counts included."""
    if SHARED_DIR not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def forget_worker(pid: int) -> None:
    """Drop a dead worker's gauges; its counts stay. For the supervisor, after it has reaped the process."""
    if SHARED_DIR in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _closed(labels: tuple[str, ...], allowed: tuple[frozenset[str], ...]) -> tuple[str, ...]:
    return tuple(
        value if not values or value in values or not value else OTHER
        for value, values in zip(labels, allowed, strict=True)
    )


def _start_at_zero(metric: Counter | Histogram, labels: Labels | None) -> None:
    """Series whose labels are all known exist before they first move, so that rates start at the truth."""
    if labels and 0 < prod(map(len, labels.values())) <= _MOST_SERIES_FROM_THE_START:
        for values in _combinations(list(labels.values())):
            metric.labels(*values)


def _combinations(choices: list[Collection[str]]) -> list[tuple[str, ...]]:
    if not choices:
        return [()]
    return [(value, *rest) for value in choices[0] for rest in _combinations(choices[1:])]


if SHARED_DIR not in os.environ:
    ProcessCollector(registry=REGISTRY)
