"""Committed places: never one over a cap, never one leaked, whoever comes at once and whatever their clocks say."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.calls import Place
from shared.domain.caps import Caps, Fill, HeldPlaces, SubjectCaps, may_take, mirror_text, read_mirror
from shared.domain.schedule import Windows
from shared.stores.mirror import load_mirror
from shared.stores.places import Move, Taken, move, take
from shared.stores.postgres import Postgres
from tests.support.waiting import eventually

COMPANY = 1
NOW = Windows(hour_at=7_200, day_at=3_600, month_at=1_800)
SUBJECTS = ("b1", "b2", "g1", "g2")
PLACES: tuple[Place, ...] = ("taken", "used", "returned")


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=12, deadline_s=30)
    await pool.execute("INSERT INTO companies (name, shard) VALUES ('Acme', 1)")
    yield pool
    await pool.close()


def want(subject: str, windows: Windows = NOW, **limits: int) -> SubjectCaps:
    return SubjectCaps(subject=subject, caps=Caps(**limits), windows=windows)


def capped(subject: str, cap: str, limit: int) -> SubjectCaps:
    return want(subject, NOW, **{cap: limit})


async def taken(postgres: Postgres, *subjects: SubjectCaps) -> Taken | None:
    """Take in a transaction of its own, which ends as the outcome says."""
    async with postgres.transaction() as connection:
        own = connection.transaction()
        await own.start()
        outcome = await take(connection, COMPANY, subjects=subjects)
        await (own.commit() if outcome else own.rollback())
    return outcome


async def moved(postgres: Postgres, *moves: Move) -> dict[str, str]:
    async with postgres.transaction() as connection:
        return await move(connection, COMPANY, moves=moves)


async def fills(postgres: Postgres) -> dict[str, Fill]:
    async with postgres.transaction() as connection:
        texts = await load_mirror(connection, COMPANY, subjects=SUBJECTS)
    return {subject: read_mirror(text) for subject, text in texts.items()}


def returned(outcome: Taken | None, before: Place = "taken") -> Move:
    assert outcome is not None
    return Move(held=outcome.held, before=before, after="returned")


async def test_a_place_is_counted_everywhere_and_the_leg_learns_where(postgres: Postgres) -> None:
    of_group = Windows(hour_at=7_201, day_at=3_601, month_at=1_801)
    outcome = await taken(postgres, want("g1", of_group), want("b1", hourly=1))
    assert outcome is not None
    assert outcome.held == HeldPlaces(subjects="b1,g1", windows=(7_200, 3_600, 1_800, 7_201, 3_601, 1_801))
    assert list(outcome.held.each()) == [("b1", NOW), ("g1", of_group)]
    row = Fill(
        hour_at=7_200, hour_n=1, day_at=3_600, day_n=1, month_at=1_800, month_n=1, hard_n=1, live_n=1, rev=1
    )
    assert outcome.mirror["b1"] == mirror_text(row)
    assert (await fills(postgres))["b1"] == row


async def test_a_buyer_without_a_group_leaves_the_groups_windows_at_nothing(postgres: Postgres) -> None:
    outcome = await taken(postgres, want("b1"))
    assert outcome is not None
    assert outcome.held == HeldPlaces(subjects="b1", windows=(7_200, 3_600, 1_800, 0, 0, 0))


@pytest.mark.parametrize("cap", ["concurrency", "hard", "hourly", "daily", "monthly"])
async def test_each_cap_refuses_at_its_limit_and_a_limit_of_nothing_at_once(
    postgres: Postgres, cap: str
) -> None:
    assert await taken(postgres, capped("b1", cap, 0)) is None
    assert await fills(postgres) == {}
    for _ in range(2):
        assert await taken(postgres, capped("b1", cap, 2)) is not None
    assert await taken(postgres, capped("b1", cap, 2)) is None
    assert (await fills(postgres))["b1"].hard_n == 2


async def test_one_full_subject_refuses_all_and_leaves_nothing_behind(postgres: Postgres) -> None:
    await taken(postgres, want("g1"))
    before = await fills(postgres)
    for subjects in ((want("b1"), want("g1", hard=1)), (want("b1", hard=0), want("g1"))):
        assert await taken(postgres, *subjects) is None
        assert await fills(postgres) == before


async def test_what_is_over_no_longer_counts_as_live_and_what_is_returned_nowhere(postgres: Postgres) -> None:
    one, other = await taken(postgres, want("b1")), await taken(postgres, want("b1"))
    assert one is not None
    texts = await moved(postgres, Move(held=one.held, after="used"), returned(other))
    row = (await fills(postgres))["b1"]
    assert (row.hour_n, row.day_n, row.month_n, row.hard_n, row.live_n, row.rev) == (1, 1, 1, 1, 0, 3)
    assert texts == {"b1": mirror_text(row)}


@pytest.mark.parametrize(("after", "live"), [("used", 0), ("taken", 1)])
async def test_an_answer_after_the_timeout_counts_again_whatever_the_cap(
    postgres: Postgres, after: Place, live: int
) -> None:
    late = await taken(postgres, want("b1", hard=1))
    await moved(postgres, returned(late))
    assert late is not None
    assert await taken(postgres, want("b1", hard=1)) is not None
    await moved(postgres, Move(held=late.held, before="returned", after=after))
    row = (await fills(postgres))["b1"]
    assert (row.hour_n, row.hard_n, row.live_n) == (2, 2, 1 + live)


async def test_a_window_that_is_over_is_not_touched(postgres: Postgres) -> None:
    old = await taken(postgres, want("b1"))
    await taken(postgres, want("b1", replace(NOW, hour_at=10_800)))
    await moved(postgres, returned(old))
    row = (await fills(postgres))["b1"]
    assert (row.hour_at, row.hour_n, row.day_n, row.hard_n, row.live_n) == (10_800, 1, 1, 1, 1)


async def test_an_older_clock_counts_in_the_rows_own_window(postgres: Postgres) -> None:
    await taken(postgres, want("b1", replace(NOW, hour_at=10_800)))
    behind = await taken(postgres, want("b1", hourly=2))
    assert behind is not None
    assert behind.held.windows[0] == 10_800
    assert await taken(postgres, want("b1", hourly=2)) is None
    await moved(postgres, returned(behind))
    assert (await fills(postgres))["b1"].hour_n == 1


async def test_a_reset_that_came_between_leaves_no_negative_count(postgres: Postgres) -> None:
    held = await taken(postgres, want("b1"))
    await postgres.execute("UPDATE cap_fills SET hard_n = 0, hour_n = 0, live_n = 0")
    await moved(postgres, returned(held))
    row = (await fills(postgres))["b1"]
    assert (row.hour_n, row.hard_n, row.live_n) == (0, 0, 0)


async def test_nothing_moves_without_moves(postgres: Postgres) -> None:
    assert await moved(postgres) == {}
    assert await moved(postgres, Move(held=HeldPlaces(), after="used")) == {}


class Model:
    """cap_fills, judged by may_take."""

    def __init__(self) -> None:
        self.rows: dict[str, Fill] = {}

    def take(self, subjects: Sequence[SubjectCaps]) -> dict[str, Windows] | None:
        if not all(may_take(s.caps, self._row(s.subject), holds=0, windows=s.windows) for s in subjects):
            return None
        for each in subjects:
            row = self._row(each.subject)
            counts = {}
            for name in ("hour", "day", "month"):
                ours, theirs = getattr(each.windows, f"{name}_at"), getattr(row, f"{name}_at")
                counts[f"{name}_n"] = 1 + (getattr(row, f"{name}_n") if theirs >= ours else 0)
                counts[f"{name}_at"] = max(ours, theirs)
            self.rows[each.subject] = replace(
                row, hard_n=row.hard_n + 1, live_n=row.live_n + 1, rev=row.rev + 1, **counts
            )
        return {each.subject: _windows(self.rows[each.subject]) for each in subjects}

    def move(self, held: HeldPlaces, before: Place, after: Place) -> None:
        counted = (after != "returned") - (before != "returned")
        live = (after == "taken") - (before == "taken")
        for subject, windows in held.each():
            row = self._row(subject)
            counts = {}
            for name in ("hour", "day", "month"):
                same = getattr(row, f"{name}_at") == getattr(windows, f"{name}_at")
                counts[f"{name}_n"] = getattr(row, f"{name}_n") + (counted if same else 0)
            self.rows[subject] = replace(
                row, hard_n=row.hard_n + counted, live_n=row.live_n + live, rev=row.rev + 1, **counts
            )

    def _row(self, subject: str) -> Fill:
        return self.rows.get(subject, Fill())


def _windows(row: Fill) -> Windows:
    return Windows(hour_at=row.hour_at, day_at=row.day_at, month_at=row.month_at)


def some_subjects(dice: Random, hour: int) -> list[SubjectCaps]:
    """A buyer and perhaps a group, seen by a clock that may be an hour ahead or behind."""
    at = 3_600 * max(0, hour + dice.choice((0, 0, 0, 1, -1)))
    windows = Windows(hour_at=at, day_at=at // 7_200 * 7_200, month_at=at // 14_400 * 14_400)
    names = [dice.choice(("b1", "b2")), *dice.choice(((), ("g1",)))]
    dice.shuffle(names)
    kinds = ("concurrency", "hard", "hourly", "daily", "monthly")
    limits = [{kind: dice.randint(0, 6) for kind in kinds if dice.random() < 0.3} for _ in names]
    return [want(name, windows, **limit) for name, limit in zip(names, limits, strict=True)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dice=st.randoms(use_true_random=True))
async def test_postgres_judges_and_counts_as_the_model_does(postgres: Postgres, dice: Random) -> None:
    await postgres.execute("DELETE FROM cap_fills")
    model = Model()
    legs: list[tuple[HeldPlaces, Place]] = [(HeldPlaces(), "used")]
    for step in range(25):
        if dice.random() < 0.6:
            subjects = some_subjects(dice, hour=step // 5)
            expected, outcome = model.take(subjects), await taken(postgres, *subjects)
            assert (outcome and dict(outcome.held.each())) == expected
            if outcome is not None:
                legs.append((outcome.held, "taken"))
        else:
            moves = list(_some_moves(dice, legs))
            for each in moves:
                model.move(each.held, each.before, each.after)
            await moved(postgres, *moves)
        found = await fills(postgres)
        for subject, row in found.items():  # several legs of one statement are one change
            assert replace(row, rev=0) == replace(model.rows[subject], rev=0)
        assert found.keys() == model.rows.keys()
    await moved(postgres, *(Move(held=held, before=place, after="returned") for held, place in legs))
    assert all((row.hard_n, row.live_n) == (0, 0) for row in (await fills(postgres)).values()), "none leaked"


def _some_moves(dice: Random, legs: list[tuple[HeldPlaces, Place]]) -> Iterator[Move]:
    for at in dice.sample(range(len(legs)), dice.randint(1, min(3, len(legs)))):
        held, before = legs[at]
        after = dice.choice(PLACES)
        legs[at] = (held, after)
        yield Move(held=held, before=before, after=after)


@pytest.mark.parametrize("is_there", [False, True])
async def test_fifty_at_once_take_seven_places(postgres: Postgres, is_there: bool) -> None:
    if is_there:
        await moved(postgres, returned(await taken(postgres, want("b1"), want("g1"))))
    outcomes = await asyncio.gather(
        *(taken(postgres, want("b1", concurrency=7), want("g1", daily=20)) for _ in range(50))
    )
    got = [outcome for outcome in outcomes if outcome is not None]
    assert len(got) == 7
    found = await fills(postgres)
    assert [(row.hard_n, row.live_n, row.hour_n) for row in found.values()] == [(7, 7, 7)] * 2
    newest = {subject: max(int(each.mirror[subject].split()[-1]) for each in got) for subject in ("b1", "g1")}
    assert newest == {subject: row.rev for subject, row in found.items()}
    await asyncio.gather(*(moved(postgres, returned(outcome)) for outcome in got))
    assert [(row.hard_n, row.live_n, row.hour_n) for row in (await fills(postgres)).values()] == [
        (0, 0, 0)
    ] * 2


async def test_to_read_and_then_to_increment_goes_over(postgres: Postgres) -> None:
    """The control: were this to hold, the test above would prove nothing."""
    await moved(postgres, returned(await taken(postgres, want("b1"))))
    both_have_read = asyncio.Barrier(2)

    async def naive() -> bool:
        async with postgres.transaction() as connection:
            (text,) = (await load_mirror(connection, COMPANY, subjects=["b1"])).values()
            await both_have_read.wait()
            if read_mirror(text).live_n >= 7:
                return False
            await connection.execute("UPDATE cap_fills SET live_n = live_n + 1 WHERE subject = 'b1'")
            return True

    pairs = [await asyncio.gather(naive(), naive()) for _ in range(5)]
    assert sum(map(sum, pairs)) > 7


async def test_crossed_orders_never_wait_in_a_circle(postgres: Postgres) -> None:
    """Places are taken and moved in every order of the subjects, by as many as there are connections."""

    async def one(number: int) -> None:
        names = SUBJECTS[number % 2 :: 2] if number % 3 else SUBJECTS
        order = names if number % 4 < 2 else names[::-1]
        outcome = await taken(postgres, *(want(name) for name in order if name in {order[0], order[-1]}))
        await moved(postgres, returned(outcome))

    await asyncio.gather(*(one(number) for number in range(120)))
    assert all((row.hard_n, row.live_n) == (0, 0) for row in (await fills(postgres)).values())


async def test_who_waits_is_judged_by_what_was_committed_meanwhile(postgres: Postgres) -> None:
    held = await taken(postgres, want("b1", hard=1))
    async with postgres.transaction() as connection:
        await move(connection, COMPANY, moves=[returned(held)])
        waiting = asyncio.create_task(taken(postgres, want("b1", hard=1)))
        await eventually(lambda: _is_waiting(postgres), what="the other waits for the row")
    assert await waiting is not None
    assert (await fills(postgres))["b1"].hard_n == 1


async def test_where_nobody_was_yet_the_second_waits_for_the_first(postgres: Postgres) -> None:
    async with postgres.transaction() as connection:
        await take(connection, COMPANY, subjects=[want("b1", hard=1)])
        waiting = asyncio.create_task(taken(postgres, want("b1", hard=1)))
        await eventually(lambda: _is_waiting(postgres), what="the other waits for the row")
    assert await waiting is None


async def _is_waiting(postgres: Postgres) -> bool:
    waits = await postgres.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(waits)
