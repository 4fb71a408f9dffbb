"""`make bench`: several alternating rounds of all cases in one run; exit code 1 below the floor.

Owns the order of a run. Must never run a case apart from its yardstick.
"""

import argparse
import platform
import sys

import uvloop

from loadtests.bench.cases import cases_of
from loadtests.bench.measure import Round, closed_round, middle, open_round, ratio_to_hello
from loadtests.bench.report import FLOOR, GOAL, CaseResult, Results, machine, save, table
from loadtests.bench.stage import Stage, set_up
from loadtests.bench.trips import count_trips


async def run(stage: Stage, *, rounds: int, seconds: float) -> int:
    """Measure, print, save; 0 when the floor is held and a ping is one trip."""
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
    save(results)
    one_trip = round(trips.redis_calls, 2) == 1 and round(trips.redis_scripts, 2) == 1
    return 0 if ratio >= FLOOR and one_trip and trips.postgres_queries == 0 else 1


def main() -> int:
    """Read the options and run."""
    options = argparse.ArgumentParser(description="measure a ping beside an aiohttp hello-world")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=float, default=3.0)
    chosen = options.parse_args()
    with set_up() as stage:
        return uvloop.run(run(stage, rounds=chosen.rounds, seconds=chosen.seconds))


if __name__ == "__main__":
    sys.exit(main())
