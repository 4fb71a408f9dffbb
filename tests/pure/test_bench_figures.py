"""What the benchmark makes of the figures that it finds."""

import pytest

from loadtests.bench.callers import fresh_callers
from loadtests.bench.durable import DurableCase, DurableResults, DurableRound, holds, middle_of
from loadtests.bench.list_pings import Pair, Slice, dearer, middle_of_slices
from loadtests.bench.list_upload import Uploaded, rows
from loadtests.bench.lists import Growth, ListsResults, lists_hold
from loadtests.bench.measure import OpenRound
from loadtests.bench.pgbench import Tally, read_tally
from shared.domain.phone import read_e164

_PRINTED = """pgbench (15.14 (Debian 15.14-0+deb12u1))
transaction type: row.sql
query mode: prepared
number of clients: 8
number of threads: 1
duration: 2 s
number of transactions actually processed: 17248
number of failed transactions: 0 (0.000%)
latency average = 0.927 ms
initial connection time = 18.911 ms
tps = 8632.779017 (without initial connection time)
"""


def a_round(rate: float, pgbench: float, *, bad: int = 0) -> DurableRound:
    tally = Tally(rate=pgbench, latency_ms=1.0)
    return DurableRound(
        rate=rate, pgbench=tally, ratio=rate / pgbench, cpu_us=200, busy=0.9, p50_ms=7, p99_ms=12, bad=bad
    )


def results_of(*rounds: DurableRound, queries: float = 2.001, late: int = 0) -> DurableResults:
    case = DurableCase(
        says="",
        middle=middle_of(list(rounds)),
        half_load=OpenRound(rate=1, p50_ms=1, p99_ms=2, p999_ms=3, bad=late),
        postgres_queries=queries,
        rounds=list(rounds),
    )
    return DurableResults(floor=0.3, goal=0.5, connections=8, keeps="fsync on", cases={"one": case})


def test_pgbench_s_report_is_read() -> None:
    assert read_tally(_PRINTED) == Tally(rate=8632.779017, latency_ms=0.927)


@pytest.mark.parametrize(
    "printed",
    ["", _PRINTED.replace("transactions: 0 (", "transactions: 3 ("), _PRINTED.replace("tps", "xps")],
)
def test_what_is_no_whole_report_is_refused(printed: str) -> None:
    with pytest.raises(ValueError, match="no report"):
        read_tally(printed)


def test_a_ratio_is_the_median_of_neighbours_not_the_ratio_of_medians() -> None:
    rounds = [a_round(4000, 8000), a_round(1000, 1250), a_round(4200, 10_000)]
    middle = middle_of(rounds)
    assert (middle.rate, middle.pgbench.rate, middle.ratio) == (4000, 8000, 0.5)


def test_bad_answers_are_summed() -> None:
    assert middle_of([a_round(1, 2, bad=1), a_round(1, 2, bad=2)]).bad == 3


def test_a_run_holds_above_the_floor_with_at_most_two_round_trips_and_no_bad_answer() -> None:
    good = a_round(4000, 8000)
    assert holds(results_of(good))
    assert not holds(results_of(a_round(2000, 8000)))
    assert holds(results_of(good, queries=0.4))
    assert not holds(results_of(good, queries=3.0))
    assert not holds(results_of(a_round(4000, 8000, bad=1)))
    assert not holds(results_of(good, late=1))


def a_pair(without_us: float, with_us: float, *, bad: int = 0) -> Pair:
    def a_slice(cpu_us: float, bad: int) -> Slice:
        return Slice(rate=10_000, cpu_us=cpu_us, redis_us=20, bad=bad)

    return Pair(without=a_slice(without_us, 0), with_list=a_slice(with_us, bad))


def lists_of(*pairs: Pair, told: int = 1_000, each: float = 8.8, worker: float = 70.0) -> ListsResults:
    return ListsResults(
        numbers=999_000,
        buckets=25_013,
        bytes_a_number=each,
        bytes_floor=16,
        bytes_goal=10,
        upload=Uploaded(
            body_bytes=1,
            taken_s=1,
            done_s=2,
            rows=1_000_000,
            applied=999_000,
            rejected=1_000,
            rejected_told=told,
        ),
        peaks={"worker": Growth(first_mb=66, all_mb=worker)},
        growth_limit_mb=16,
        rebuild_s=9,
        ping_ratio=dearer(list(pairs), lambda of: of.cpu_us),
        ping_limit=1.05,
        redis_ratio=1,
        without=middle_of_slices([pair.without for pair in pairs]),
        with_list=middle_of_slices([pair.with_list for pair in pairs]),
        pairs=list(pairs),
    )


def test_a_long_list_holds_when_small_flat_whole_and_cheap() -> None:
    good = a_pair(80, 82)
    assert lists_hold(lists_of(good))
    assert not lists_hold(lists_of(a_pair(80, 85)))
    assert not lists_hold(lists_of(good, told=999))
    assert not lists_hold(lists_of(good, each=16.1))
    assert not lists_hold(lists_of(good, worker=83))
    assert not lists_hold(lists_of(a_pair(80, 82, bad=1)))


def test_how_much_dearer_a_ping_is_is_the_median_of_neighbours() -> None:
    pairs = [a_pair(80, 88), a_pair(200, 202), a_pair(100, 100)]
    assert dearer(pairs, lambda of: of.cpu_us) == 1.01


def test_rows_of_an_upload_are_possible_numbers_once_each_but_for_every_thousandth() -> None:
    told = [read_e164(row.strip()) for row in rows(30_000)]
    assert [place for place, number in enumerate(told) if number is None] == list(range(999, 30_000, 1_000))
    good = [number for number in told if number]
    assert len(set(good)) == len(good)
    assert not any(number.startswith("+1212") for number in good), "the load's callers"


@pytest.mark.parametrize("area", [212, 213, 646])
def test_the_load_s_callers_are_possible_numbers_however_long_it_goes_on(area: int) -> None:
    """311 and such are no exchanges: ten thousand pings in a row were refused once a run was long enough."""
    first = area * 10_000_000 + 2_109_998
    ends = fresh_callers(first)
    assert [next(ends) - first for _ in range(4)] == [0, 1, 10_002, 10_003]
    for exchange in (311, 911):
        assert (
            next(fresh_callers(area * 10_000_000 + exchange * 10_000)) % 10_000_000 == (exchange + 1) * 10_000
        )
    assert all(read_e164(f"+1{next(ends)}") for _ in range(1_000))
