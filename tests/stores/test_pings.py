"""The ping log: statuses move forward only, whoever comes first."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from shared.domain.ping_log import PingRow, read_entry
from shared.domain.pings import Confirmation
from shared.stores.partitions import ensure
from shared.stores.pings import (
    Claim,
    expire,
    find_ping,
    load_since,
    save_claim,
    save_confirmations,
    save_drained,
)
from shared.stores.postgres import Postgres
from tests.support.streams import NOW_MS, Fields, event, new_uuid, repeat, reserved

EXPIRES = NOW_MS + 15_000
CALL = new_uuid(NOW_MS + 5_000)


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=4, deadline_s=15)
    async with pool.transaction() as connection:
        await ensure(connection, datetime.fromtimestamp(NOW_MS / 1000, UTC))
    yield pool
    await pool.close()


def _row(fields: Fields) -> PingRow:
    read = read_entry(
        f"{NOW_MS}-0", [field.encode() if isinstance(field, str) else field for field in fields]
    )
    assert isinstance(read, PingRow)
    return read


async def _save(postgres: Postgres, rows: Sequence[PingRow]) -> None:
    async with postgres.transaction() as connection:
        await save_drained(connection, rows)


async def _claim(postgres: Postgres, row: PingRow, call_uuid: str = CALL) -> bool:
    claim = Claim(
        uuid=row.uuid,
        company_id=row.company_id,
        key_id=row.key_id,
        publisher_id=row.publisher_id,
        campaign_id=row.campaign_id,
        call_uuid=call_uuid,
        at_ms=NOW_MS + 5_000,
    )
    async with postgres.transaction() as connection:
        return await save_claim(connection, claim)


async def _found(postgres: Postgres, row: PingRow) -> PingRow:
    found = await find_ping(postgres, row.uuid)
    assert found is not None
    return found


async def test_a_row_comes_back_as_it_was_saved(postgres: Postgres) -> None:
    row = _row(reserved(event(caller="", publisher_id=0), expires_ms=EXPIRES, subjects="b12", number=""))
    await _save(postgres, [row])
    assert await _found(postgres, row) == row


async def test_who_asks_for_nothing_of_ours_gets_nothing(postgres: Postgres) -> None:
    assert await find_ping(postgres, new_uuid()) is None
    assert await find_ping(postgres, "zzz") is None


async def test_only_what_ran_out_expires_once(postgres: Postgres) -> None:
    over, live = (_row(reserved(event(), expires_ms=EXPIRES + wait)) for wait in (0, 1_000))
    await _save(postgres, [over, live])
    assert (await expire(postgres, EXPIRES + 1, limit=100)).rows == 1
    assert (await expire(postgres, EXPIRES + 1, limit=100)).rows == 0
    found = await _found(postgres, over)
    assert (found.status, found.ended_ms) == ("expired", EXPIRES)
    assert await postgres.fetchval("SELECT max(time_to_resolve_s)::float8 FROM pings") == 15.0
    assert (await _found(postgres, live)).status == "reserved"


async def test_no_more_expire_at_a_time_than_asked(postgres: Postgres) -> None:
    await _save(postgres, [_row(reserved(event(), expires_ms=EXPIRES)) for _ in range(5)])
    assert [(await expire(postgres, EXPIRES + 1, limit=3)).rows for _ in range(3)] == [3, 2, 0]


async def test_a_repeat_ends_as_its_original_did(postgres: Postgres) -> None:
    claimed, over = (_row(reserved(event(), expires_ms=EXPIRES)) for _ in range(2))
    repeats = [_row(repeat(event(), first.uuid, expires_ms=EXPIRES)) for first in (claimed, over)]
    await _save(postgres, [claimed, over, *repeats])
    await _claim(postgres, claimed)
    assert (await expire(postgres, EXPIRES + 1, limit=100)).rows == 3
    after = [await _found(postgres, each) for each in repeats]
    assert [(row.status, row.call_uuid, row.ended_ms) for row in after] == [
        ("claimed", CALL, NOW_MS + 5_000),
        ("expired", "", EXPIRES),
    ]


async def test_a_claim_is_final_and_made_once(postgres: Postgres) -> None:
    row = _row(reserved(event(), expires_ms=EXPIRES))
    await _save(postgres, [row])
    assert await _claim(postgres, row)
    assert not await _claim(postgres, row, new_uuid())
    async with postgres.transaction() as connection:
        await save_confirmations(connection, [Confirmation(uuid=row.uuid, at_ms=NOW_MS + 9, subjects="b12")])
    assert (await expire(postgres, EXPIRES + 1, limit=100)).rows == 0
    found = await _found(postgres, row)
    assert (found.status, found.call_uuid, found.claimed_ms) == ("claimed", CALL, NOW_MS + 5_000)
    assert (found.confirmed_ms, found.ended_ms) == (NOW_MS + 9, NOW_MS + 5_000)


async def test_a_claim_that_came_before_the_drain_is_completed_by_it(postgres: Postgres) -> None:
    row = _row(reserved(event(), expires_ms=EXPIRES, subjects="b12"))
    assert await _claim(postgres, row)
    await _save(postgres, [row])
    found = await _found(postgres, row)
    assert (found.status, found.call_uuid, found.ended_ms) == ("claimed", CALL, NOW_MS + 5_000)
    assert (found.replay, found.tags, found.trace, found.expires_ms) == (
        row.replay,
        row.tags,
        row.trace,
        EXPIRES,
    )
    await _save(postgres, [row])
    assert await postgres.fetchval("SELECT count(*) FROM pings") == 1


async def test_a_confirmation_moves_a_reservation_on_once(postgres: Postgres) -> None:
    row = _row(reserved(event(), expires_ms=EXPIRES))
    await _save(postgres, [row])
    for at_ms in (NOW_MS + 100, NOW_MS + 200):
        async with postgres.transaction() as connection:
            await save_confirmations(connection, [Confirmation(uuid=row.uuid, at_ms=at_ms, subjects="b12")])
    found = await _found(postgres, row)
    assert (found.status, found.confirmed_ms, found.holds) == ("confirmed", NOW_MS + 100, "b12")
    await expire(postgres, EXPIRES + 1, limit=100)
    assert (await _found(postgres, row)).status == "expired"


async def test_what_came_since_a_moment_is_listed_oldest_first(postgres: Postgres) -> None:
    rows = [_row(reserved(event(NOW_MS + i, key_id=i % 2), expires_ms=EXPIRES)) for i in range(6)]
    await _save(postgres, rows[::-1])
    assert [row.created_ms for row in await load_since(postgres, NOW_MS + 2, key_id=None, limit=3)] == [
        NOW_MS + 2,
        NOW_MS + 3,
        NOW_MS + 4,
    ]
    assert [row.uuid for row in await load_since(postgres, NOW_MS, key_id=1, limit=10)] == [
        row.uuid for row in rows[1::2]
    ]
