"""Claims in the ping log: exactly once, in time, and found without Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.ping_log import PingRow, read_entry
from shared.stores.partitions import ensure
from shared.stores.pings import (
    Claim,
    expire,
    find_claimable,
    find_ping,
    find_recent_publisher,
    save_claim,
    save_drained,
)
from shared.stores.postgres import Postgres
from tests.support.streams import NOW_MS, Fields, duplicate, event, new_uuid, no_target, repeat, reserved

EXPIRES = NOW_MS + 15_000
CALLER, NUMBER = "+13105551212", "+18005550100"
HOUR_MS = 3_600_000


@pytest.fixture
async def postgres(fresh_database: str) -> AsyncIterator[Postgres]:
    pool = await Postgres.open(fresh_database, max_size=10, deadline_s=15)
    async with pool.transaction() as connection:
        await ensure(connection, datetime.fromtimestamp(NOW_MS / 1000, UTC))
    yield pool
    await pool.close()


async def saved(postgres: Postgres, fields: Fields) -> PingRow:
    row = read_entry(f"{NOW_MS}-0", [part.encode() if isinstance(part, str) else part for part in fields])
    assert isinstance(row, PingRow)
    async with postgres.transaction() as connection:
        await save_drained(connection, [row])
    return row


async def a_reservation(
    postgres: Postgres, at_ms: int = NOW_MS, number: str = NUMBER, **changes: Any
) -> PingRow:
    return await saved(postgres, reserved(event(at_ms, **changes), expires_ms=at_ms + 15_000, number=number))


async def claimed(postgres: Postgres, row: PingRow, at_ms: int = NOW_MS + 5_000) -> bool:
    claim = Claim(
        uuid=row.uuid,
        company_id=row.company_id,
        key_id=row.key_id,
        publisher_id=row.publisher_id,
        campaign_id=row.campaign_id,
        call_uuid=new_uuid(at_ms),
        at_ms=at_ms,
    )
    async with postgres.transaction() as connection:
        return await save_claim(connection, claim)


async def found(
    postgres: Postgres,
    uuid: str = "",
    now_ms: int = NOW_MS + 1_000,
    caller: str = CALLER,
    number: str = NUMBER,
) -> PingRow | None:
    return await find_claimable(postgres, 1, caller=caller, number=number, uuid=uuid, now_ms=now_ms)


@pytest.mark.parametrize("is_drained", [True, False])
async def test_of_fifty_claims_at_once_one_wins(postgres: Postgres, is_drained: bool) -> None:
    row = await a_reservation(postgres)
    if not is_drained:
        await postgres.execute("DELETE FROM pings")
    assert sum(await asyncio.gather(*(claimed(postgres, row) for _ in range(50)))) == 1
    assert (await postgres.fetchval("SELECT count(*) FROM pings WHERE status = 'claimed'")) == 1


async def test_a_claim_in_time_stands_though_the_log_ended_the_reservation(postgres: Postgres) -> None:
    row = await a_reservation(postgres)
    await expire(postgres, EXPIRES + 1, limit=10)
    assert await claimed(postgres, row, EXPIRES - 1)
    ping = await find_ping(postgres, row.uuid)
    assert ping is not None
    assert (ping.status, ping.ended_ms) == ("claimed", EXPIRES - 1)


@pytest.mark.parametrize("is_ended", [True, False])
async def test_what_had_run_out_when_the_caller_came_is_not_claimed(
    postgres: Postgres, is_ended: bool
) -> None:
    row = await a_reservation(postgres)
    if is_ended:
        await expire(postgres, EXPIRES + 1, limit=10)
    assert not await claimed(postgres, row, EXPIRES)
    ping = await find_ping(postgres, row.uuid)
    assert ping is not None
    assert ping.status == ("expired" if is_ended else "reserved")


async def test_a_live_reservation_is_found_by_its_caller_and_by_its_uuid(postgres: Postgres) -> None:
    row = await a_reservation(postgres)
    assert await found(postgres) == row
    assert await found(postgres, row.uuid, caller="", number="") == row
    assert await found(postgres, caller="+13105550000") is None
    assert await found(postgres, caller="") is None
    assert await found(postgres, number="+18005550101") is None
    assert await found(postgres, new_uuid()) is None
    assert await found(postgres, "no uuid at all") is None
    assert await find_claimable(postgres, 2, caller=CALLER, number=NUMBER, uuid="", now_ms=NOW_MS) is None
    assert (
        await find_claimable(postgres, 2, caller=CALLER, number=NUMBER, uuid=row.uuid, now_ms=NOW_MS) is None
    )


async def test_what_is_over_or_claimed_is_not_found(postgres: Postgres) -> None:
    row = await a_reservation(postgres)
    for uuid in ("", row.uuid):
        assert await found(postgres, uuid, now_ms=EXPIRES) is None
        assert await found(postgres, uuid, now_ms=EXPIRES - 1) is not None
    await claimed(postgres, row)
    assert await found(postgres) is None
    assert await found(postgres, row.uuid) is None


async def test_a_repeat_a_duplicate_and_a_refusal_are_no_reservations(postgres: Postgres) -> None:
    original = new_uuid()
    rows = [
        await saved(postgres, repeat(event(), original, expires_ms=EXPIRES)),
        await saved(postgres, duplicate(event(), original)),
        await saved(postgres, no_target(event())),
    ]
    for uuid in ("", *(row.uuid for row in rows)):
        assert await found(postgres, uuid) is None


async def test_the_callers_own_comes_before_the_numbers_lease_and_the_newest_first(
    postgres: Postgres,
) -> None:
    leased = await a_reservation(postgres, NOW_MS + 3, caller="")
    for caller in (CALLER, ""):
        assert await found(postgres, caller=caller) == leased
    own = await a_reservation(postgres)
    assert await found(postgres) == own
    newer = await a_reservation(postgres, NOW_MS + 2)
    assert await found(postgres) == newer
    assert await found(postgres, caller="") == leased


async def test_a_tests_reservation_is_found_by_its_name_only(postgres: Postgres) -> None:
    row = await a_reservation(postgres, test=True)
    assert await found(postgres) is None
    assert await found(postgres, row.uuid) == row


async def recent(postgres: Postgres, now_ms: int = NOW_MS + HOUR_MS - 1, **said: str) -> int | None:
    asked = {"caller": CALLER, "number": NUMBER, **said}
    return await find_recent_publisher(postgres, 1, now_ms=now_ms, **asked)


async def test_an_expired_reservations_call_is_its_publishers_for_an_hour(postgres: Postgres) -> None:
    assert await recent(postgres) is None
    await a_reservation(postgres, publisher_id=2)
    await expire(postgres, EXPIRES + 1, limit=10)
    assert await recent(postgres) == 2
    assert await recent(postgres, NOW_MS + HOUR_MS) is None
    assert await recent(postgres, number="+18005550101") is None
    assert await recent(postgres, caller="+13105550000") is None
    assert await recent(postgres, caller="") is None


async def test_of_several_the_newest_says_whatever_became_of_it(postgres: Postgres) -> None:
    await a_reservation(postgres, publisher_id=2)
    newer = await a_reservation(postgres, NOW_MS + 1, publisher_id=3)
    assert await recent(postgres) == 3
    await claimed(postgres, newer)
    assert await recent(postgres) == 3
    await saved(postgres, duplicate(event(NOW_MS + 2, publisher_id=9), newer.uuid))
    await a_reservation(postgres, NOW_MS + 3, publisher_id=8, test=True)
    await a_reservation(postgres, NOW_MS + 4, publisher_id=7, caller="")
    assert await recent(postgres) == 3


async def test_a_reservation_of_no_publisher_is_the_companys(postgres: Postgres) -> None:
    await a_reservation(postgres, publisher_id=0)
    assert await recent(postgres) == 0
