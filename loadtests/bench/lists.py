"""A list of a million numbers: what it takes to fill it, to keep it, and to ping with it.

Owns the figures of that part. The pings with the list and without it are measured in turns; must never compare figures of
different runs.
"""

import asyncio
import time
from pathlib import Path

import uvloop
from msgspec import Struct

from loadtests.bench.list_pings import Pair, Slice, dearer, middle_of_slices, ping_in_turns
from loadtests.bench.list_upload import Uploaded, upload
from loadtests.bench.lists_stage import Fillers, ListsStage, count_listed, fillers, pinged

NUMBERS, FIRST_NUMBERS = 1_000_000, 50_000
BYTES_FLOOR, BYTES_GOAL = 16.0, 10.0
PING_LIMIT = 1.05
GROWTH_LIMIT_MB = 16.0


class Growth(Struct, frozen=True, kw_only=True):
    """The peak of a process's memory. Units: MB of resident memory."""

    first_mb: float
    all_mb: float


class ListsResults(Struct, frozen=True, kw_only=True):
    """A run.

    Shape: ping_ratio = CPU a ping with the list over CPU without, each slice against its neighbour, the median; growth by
    service, first after an upload of 50,000 rows, then after that of a million. Units: rebuild_s to write a lost Redis anew.
    """

    numbers: int
    buckets: int
    bytes_a_number: float
    bytes_floor: float
    bytes_goal: float
    upload: Uploaded
    peaks: dict[str, Growth]
    growth_limit_mb: float
    rebuild_s: float
    ping_ratio: float
    ping_limit: float
    redis_ratio: float
    without: Slice
    with_list: Slice
    pairs: list[Pair]


class Filled(Struct, frozen=True, kw_only=True):
    """What filling the list took."""

    upload: Uploaded
    peaks: dict[str, Growth]
    numbers: int
    buckets: int
    bytes_a_number: float


def fill(stage: ListsStage) -> Filled:
    """An upload of some rows, so that both processes have met one, then that of all."""
    with fillers(stage) as services:
        used = stage.used_bytes()
        upload(services.target, FIRST_NUMBERS)
        first = _peaks_mb(services)
        uploaded = upload(services.target, NUMBERS)
        last = _peaks_mb(services)
        numbers, buckets = asyncio.run(count_listed(stage))
        grown = stage.used_bytes() - used
    return Filled(
        upload=uploaded,
        peaks={name: Growth(first_mb=first[name], all_mb=last[name]) for name in first},
        numbers=numbers,
        buckets=buckets,
        bytes_a_number=grown / numbers,
    )


def rebuild_s(stage: ListsStage) -> float:
    """How long a lost Redis is written anew, with the start of the command that does it."""
    began_s = time.perf_counter()
    stage.rebuild()
    return time.perf_counter() - began_s


def measure_lists_on(stage: ListsStage, *, rounds: int, seconds: float) -> ListsResults:
    """Fill the list, lose Redis and rebuild it, and ping."""
    filled = fill(stage)
    rebuilt_s = rebuild_s(stage)
    with pinged(stage) as pings:
        found = uvloop.run(ping_in_turns(stage, pings, rounds=rounds, seconds=seconds))
    return ListsResults(
        numbers=filled.numbers,
        buckets=filled.buckets,
        bytes_a_number=filled.bytes_a_number,
        bytes_floor=BYTES_FLOOR,
        bytes_goal=BYTES_GOAL,
        upload=filled.upload,
        peaks=filled.peaks,
        growth_limit_mb=GROWTH_LIMIT_MB,
        rebuild_s=rebuilt_s,
        ping_ratio=dearer(found, lambda of: of.cpu_us),
        ping_limit=PING_LIMIT,
        redis_ratio=dearer(found, lambda of: of.redis_us),
        without=middle_of_slices([pair.without for pair in found]),
        with_list=middle_of_slices([pair.with_list for pair in found]),
        pairs=found,
    )


def lists_hold(results: ListsResults) -> bool:
    """Whether a number is small, memory flat, every bad row told, and a ping hardly dearer."""
    flat = all(each.all_mb - each.first_mb <= results.growth_limit_mb for each in results.peaks.values())
    whole = results.upload.rejected_told == results.upload.rejected == NUMBERS // 1_000
    bad = results.without.bad + results.with_list.bad
    small = results.bytes_a_number <= results.bytes_floor
    return flat and whole and small and bad == 0 and results.ping_ratio <= results.ping_limit


def _peaks_mb(services: Fillers) -> dict[str, float]:
    processes = {"control": services.control, "worker": services.worker}
    return {name: _peak_mb(process.pid) for name, process in processes.items()}


def _peak_mb(pid: int) -> float:
    """The most that a process ever had in memory, by the operating system's account."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
