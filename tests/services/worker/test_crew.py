"""The crew: no job stops another, a round under way is finished."""

import asyncio

import pytest

from services.worker.crew import Crew
from shared.errors import Unavailable
from tests.support.waiting import eventually


class Rounds:
    """A job that does what it is told, and counts."""

    interval_s = 0.01

    def __init__(self, name: str = "drain", *outcomes: bool | Exception) -> None:
        self.name = name
        self.rounds = 0
        self._outcomes = outcomes

    async def step(self) -> bool:
        self.rounds += 1
        outcome = self._outcomes[self.rounds - 1] if self.rounds <= len(self._outcomes) else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def worked(self) -> bool:
        return self.rounds > len(self._outcomes) + 2


class Slow(Rounds):
    """A job whose round lasts until it is let go."""

    def __init__(self) -> None:
        super().__init__("expire")
        self.go = asyncio.Event()
        self.finished = False

    async def step(self) -> bool:
        self.rounds += 1
        await self.go.wait()
        self.finished = True
        return True


@pytest.mark.parametrize("trouble", [Unavailable("postgres"), ValueError("a fault")])
async def test_a_job_in_trouble_goes_on_and_holds_up_nobody(trouble: Exception) -> None:
    troubled, other = Rounds("drain", trouble, trouble), Rounds("expire")
    crew = Crew([troubled, other])
    crew.start()
    await eventually(other.worked, what="the other job works")
    await eventually(troubled.worked, what="the troubled job works again")
    await crew.stop(1.0)


async def test_more_work_is_done_at_once() -> None:
    job = Rounds("drain", *[True] * 50)
    job.interval_s = 30.0
    crew = Crew([job])
    crew.start()

    async def done() -> bool:
        return job.rounds == 51

    await eventually(done, within_s=5.0, what="all rounds without a pause")
    await crew.stop(1.0)


async def test_the_stop_waits_for_the_round_and_no_longer_than_allowed() -> None:
    patient, stuck = Slow(), Slow()
    crews = Crew([patient]), Crew([stuck])
    for crew in crews:
        crew.start()

    async def begun() -> bool:
        return bool(patient.rounds and stuck.rounds)

    await eventually(begun, what="both are in a round")
    asyncio.get_running_loop().call_later(0.05, patient.go.set)
    await crews[0].stop(10.0)
    await crews[1].stop(0.05)
    assert (patient.finished, stuck.finished) == (True, False)
    assert (patient.rounds, stuck.rounds) == (1, 1)
