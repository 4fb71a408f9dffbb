"""`make bench`: several alternating rounds of all cases in one run; exit code 1 below a floor.

Owns the order of a run. Must never run a case apart from its yardstick.
"""

import argparse
import platform
import sys

import uvloop
from msgspec.structs import replace

from loadtests.bench.cases import cases_of
from loadtests.bench.durable import DurableResults, holds, run_durable
from loadtests.bench.durable_stage import set_up_durable
from loadtests.bench.lists import ListsResults, lists_hold, measure_lists_on
from loadtests.bench.lists_stage import set_up_lists
from loadtests.bench.measure import Round, closed_round, middle, open_round, ratio_to_hello
from loadtests.bench.report import (
    FLOOR,
    GOAL,
    CaseResult,
    Results,
    durable_table,
    lists_table,
    machine,
    ping_holds,
    save,
    table,
)
from loadtests.bench.stage import Stage, set_up
from loadtests.bench.trips import count_trips

_PARTS = ("pings", "durable", "lists")
_LEAST_CALLS, _MOST_A_SECOND = 100_000, 6_000


async def run_pings(stage: Stage, *, rounds: int, seconds: float) -> Results:
    """Measure pings and print what was found."""
    cases = cases_of(stage)
    found: dict[str, list[Round]] = {case.name: [] for case in cases}
    trips = await count_trips(stage, cases[1], seconds=seconds)
    for number in range(rounds):
        for case in cases:
            found[case.name].append(await closed_round(stage, case, seconds=seconds))
        print(f"round {number + 1} of {rounds}: ping {found['ping'][-1].cpu_us:.1f} us", file=sys.stderr)
    half = {case.name: middle(found[case.name]).rate / 2 for case in cases}
    open_loop = {
        case.name: await open_round(stage, case, seconds=seconds * 2, rate=half[case.name]) for case in cases
    }
    ratio = ratio_to_hello(found["hello"], found["ping"])
    results = Results(
        ping_vs_hello_ratio=ratio,
        floor=FLOOR,
        goal=GOAL,
        redis_round_trips_per_ping=trips.redis_calls,
        redis_scripts_per_ping=trips.redis_scripts,
        postgres_queries_per_ping=trips.postgres_queries,
        cases={
            case.name: CaseResult(
                says=case.says,
                middle=middle(found[case.name]),
                ratio_to_hello=ratio_to_hello(found["hello"], found[case.name]),
                rounds=found[case.name],
            )
            for case in cases
        },
        open_loop=open_loop,
        rounds=rounds,
        seconds_a_round=seconds,
        machine=machine(),
        python=platform.python_version(),
    )
    print(table(results, trips))
    return results


def measure_pings(options: argparse.Namespace) -> Results:
    """The pings, on a stage of their own."""
    with set_up() as stage:
        return uvloop.run(run_pings(stage, rounds=options.rounds, seconds=options.seconds))


def measure_durable(options: argparse.Namespace) -> DurableResults:
    """The durable cases, on theirs."""
    with set_up_durable(_calls(options.rounds, options.seconds)) as stage:
        results = uvloop.run(run_durable(stage, rounds=options.rounds, seconds=options.seconds))
    print(durable_table(results))
    return results


def measure_lists(options: argparse.Namespace) -> ListsResults:
    """The long list, on a third one."""
    with set_up_lists() as stage:
        results = measure_lists_on(stage, rounds=options.rounds, seconds=options.seconds)
    print(lists_table(results))
    return results


def _calls(rounds: int, seconds: float) -> int:
    """More than any machine converts in so many rounds."""
    return max(_LEAST_CALLS, int(_MOST_A_SECOND * (rounds + 3) * (seconds + 0.5)))


def main() -> int:
    """Read the options and run; 0 when the floors are held, a ping is one trip, a durable answer two, and lists scale."""
    parser = argparse.ArgumentParser(
        description="measure pings beside a hello-world, durable answers beside pgbench, pings with a long list"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", choices=_PARTS, help="a part; then nothing is saved")
    options = parser.parse_args()
    parts = _PARTS if options.only is None else (options.only,)
    pings = measure_pings(options) if "pings" in parts else None
    durable = measure_durable(options) if "durable" in parts else None
    lists = measure_lists(options) if "lists" in parts else None
    if pings and durable and lists:
        save(replace(pings, durable=durable, lists=lists))
    held = (
        pings is None or ping_holds(pings),
        durable is None or holds(durable),
        lists is None or lists_hold(lists),
    )
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
