"""Drills: many workers at once promise nothing twice."""

from collections import Counter
from itertools import islice

from tests.support.account_stage import Stage, a_drill_account, callers
from tests.support.partners import ask_all

CAP = 50


async def test_a_cap_holds_over_four_workers_and_its_places_come_back(stage: Stage) -> None:
    stage.worker()
    stage.apply(a_drill_account(caps={"daily": CAP}, ttl_seconds=60))
    workers = stage.rtb(4)
    everyone = callers()
    for _ in range(2):
        pings = [stage.ping(caller) for caller in islice(everyone, 500)]
        outcomes = Counter(
            said.fields["status"] if said.status == 200 else said.status
            for said in await ask_all(workers, pings)
        )
        assert outcomes == {"reserved": CAP, "no-target": 500 - CAP}
        stage.let_holds_run_out()


async def test_a_hundred_equal_pings_at_once_are_one_reservation(stage: Stage) -> None:
    stage.worker()
    stage.apply(a_drill_account())
    said = await ask_all(stage.rtb(2), [stage.ping("2125551212")] * 100)
    assert {each.status for each in said} == {200}
    assert len({each.fields["uuid"] for each in said}) == 1
    assert sum(each.is_reserved for each in said) == 1
    assert sum(each.is_repeat for each in said) == 99
