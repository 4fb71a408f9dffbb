"""What a run found, as a table and as JSON.

Owns the shape of loadtests/results/latest.json. Must never round what is stored.
"""

import platform
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtests.bench.durable import DurableResults
from loadtests.bench.lists import ListsResults
from loadtests.bench.measure import OpenRound, Round
from loadtests.bench.trips import Trips

RESULTS = Path(__file__).parent.parent / "results" / "latest.json"
FLOOR, GOAL = 0.40, 0.55


class CaseResult(Struct, frozen=True, kw_only=True):
    """One case: the medians of its rounds, and every round."""

    says: str
    middle: Round
    ratio_to_hello: float
    rounds: list[Round]


class Results(Struct, frozen=True, kw_only=True):
    """A run of the pings. ping_vs_hello_ratio: hello's server CPU a request over the full ping's."""

    ping_vs_hello_ratio: float
    floor: float
    goal: float
    redis_round_trips_per_ping: float
    redis_scripts_per_ping: float
    postgres_queries_per_ping: float
    cases: dict[str, CaseResult]
    open_loop: dict[str, OpenRound]
    rounds: int
    seconds_a_round: float
    machine: str
    python: str
    durable: DurableResults | None = None
    lists: ListsResults | None = None


def durable_table(results: DurableResults) -> str:
    """The durable cases for a person."""
    lines = [
        f"{'case':<11}{'req/s':>8}{'pgbench':>9}{'ratio':>7}{'CPU us':>8}{'busy':>6}{'queries':>9}{'p50 ms':>8}"
        f"{'p99 ms':>8}{'bad':>5}   {'half load: p50':>14}{'p99':>8}{'p99.9':>8}{'bad':>5}"
    ]
    for name, case in results.cases.items():
        m, h = case.middle, case.half_load
        lines.append(
            f"{name:<11}{m.rate:>8.0f}{m.pgbench.rate:>9.0f}{m.ratio:>7.2f}{m.cpu_us:>8.1f}{m.busy:>6.2f}"
            f"{case.postgres_queries:>9.3f}{m.p50_ms:>8.2f}{m.p99_ms:>8.2f}{m.bad:>5}"
            f"   {h.p50_ms:>14.2f}{h.p99_ms:>8.2f}{h.p999_ms:>8.2f}{h.bad:>5}"
        )
    ends = f"(floor {results.floor:.2f}, goal {results.goal:.2f}), {results.connections} connections"
    return "\n".join([*lines, "", f"durable / pgbench {ends}, {results.keeps}"])


def lists_table(results: ListsResults) -> str:
    """The long list for a person."""
    sent = results.upload
    lines = [
        f"{results.numbers} numbers in {results.buckets} buckets: {results.bytes_a_number:.2f} bytes of Redis a number "
        f"(floor {results.bytes_floor:.0f}, goal {results.bytes_goal:.0f})",
        f"upload of {sent.rows} rows, {sent.body_bytes / 1e6:.1f} MB: taken in {sent.taken_s:.1f} s, in force after "
        f"{sent.done_s:.1f} s; {sent.applied} applied, {sent.rejected} rejected, {sent.rejected_told} of them told",
    ]
    for name, peak in results.peaks.items():
        lines.append(
            f"{name}: at most {peak.first_mb:.1f} MB in a short upload, {peak.all_mb:.1f} MB in the long one "
            f"(limit +{results.growth_limit_mb:.0f})"
        )
    lines += [f"a lost Redis is rebuilt in {results.rebuild_s:.1f} s", ""]
    lines.append(f"{'ping':<9}{'req/s':>9}{'CPU us':>9}{'redis us':>10}{'bad':>5}")
    for name, m in (("without", results.without), ("with it", results.with_list)):
        lines.append(f"{name:<9}{m.rate:>9.0f}{m.cpu_us:>9.1f}{m.redis_us:>10.1f}{m.bad:>5}")
    ratios = f"with / without: {results.ping_ratio:.3f} (limit {results.ping_limit:.2f}), {len(results.pairs)} pairs"
    return "\n".join([*lines, "", f"{ratios}, of Redis {results.redis_ratio:.3f}"])


def table(results: Results, trips: Trips) -> str:
    """The run for a person."""
    lines = [
        f"{'case':<9}{'req/s':>9}{'CPU us':>9}{'hello/it':>10}{'busy':>7}{'redis':>7}{'p50 ms':>9}{'p99 ms':>9}{'bad':>5}"
    ]
    for name, case in results.cases.items():
        m = case.middle
        lines.append(
            f"{name:<9}{m.rate:>9.0f}{m.cpu_us:>9.1f}{case.ratio_to_hello:>10.2f}{m.busy:>7.2f}{m.redis_busy:>7.2f}"
            f"{m.p50_ms:>9.2f}{m.p99_ms:>9.2f}{m.bad:>5}"
        )
    lines.append("")
    for name, stretch in results.open_loop.items():
        lines.append(
            f"open loop {name}: {stretch.rate:.0f}/s, p50 {stretch.p50_ms:.2f} ms, p99 {stretch.p99_ms:.2f} ms, "
            f"p99.9 {stretch.p999_ms:.2f} ms, {stretch.bad} bad"
        )
    lines += [
        "",
        f"Redis calls per ping {trips.redis_calls:.3f} (scripts {trips.redis_scripts:.3f}), "
        f"Postgres queries per ping {trips.postgres_queries:.3f}",
        f"ping / hello ratio {results.ping_vs_hello_ratio:.3f} (floor {FLOOR:.2f}, goal {GOAL:.2f})",
    ]
    return "\n".join(lines)


def ping_holds(results: Results) -> bool:
    """Whether the ratio is above its floor, and a ping one trip and no query."""
    trips = (results.redis_round_trips_per_ping, results.redis_scripts_per_ping)
    one_trip = all(round(count, 2) == 1 for count in trips)
    return results.ping_vs_hello_ratio >= FLOOR and one_trip and results.postgres_queries_per_ping == 0


def machine() -> str:
    """What it ran on, as far as it matters."""
    return f"{platform.machine()}, {platform.system()}"


def save(results: Results) -> None:
    """Write the results where they are committed."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
