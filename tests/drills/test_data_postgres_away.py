"""Drill: Postgres goes away under the data service. Nothing is acknowledged, each endpoint says so in its own words."""

import asyncio
from secrets import randbelow

import pytest

from deploy.local.paths import MIGRATIONS
from shared.domain.keys import Kind, make_token
from shared.stores.schema import prepare
from tests.support.conversions import READING_KEY, WRITING_KEY, conversions, data_service, post_to
from tests.support.engines import Engine
from tests.support.partners import Said, ask, ask_all
from tests.support.waiting import eventually

UNKNOWN = make_token(Kind.CONVERSION, randbelow)


def says_away(said: Said) -> bool:
    """503 with Retry-After, in the form of its endpoint."""
    if said.target.startswith("/postbacks"):
        words = said.body == b"FAILED try again"
    else:
        words = said.fields["reason"] == "unavailable" and said.headers["access-control-allow-origin"] == "*"
    return said.status == 503 and int(said.headers["retry-after"]) > 0 and words


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_every_endpoint_says_that_it_cannot(own_postgres: Engine, fresh_redis: str, how: str) -> None:
    await prepare(own_postgres.url, MIGRATIONS)
    async with conversions(own_postgres.url, fresh_redis) as stage:
        (call,) = await stage.answered(1)
        targets = [
            post_to(call, 5),
            f"/data_writing?key={WRITING_KEY}&call_uuid={call.uuid}&zip=60601",
            f"/data_writing?key={WRITING_KEY}&caller_number=%2B13105551212&zip=60601",
            f"/data_reading?key={READING_KEY}&call_uuid={call.uuid}",
        ]
        with data_service(own_postgres.url, fresh_redis) as service:
            assert [(await ask(service, target)).status for target in targets] == [200] * 4
            await asyncio.to_thread(own_postgres.kill9 if how == "killed" else own_postgres.pause)
            while_away = await ask_all([service], [*targets, f"/postbacks/{UNKNOWN}?call_uuid={call.uuid}"])
            assert [said for said in while_away if not says_away(said)] == []
            bad = await ask(service, f"/data_writing?key={WRITING_KEY}&zip=60601")
            assert bad.status == 422, "what needs no store is refused all the same"
            await asyncio.to_thread(own_postgres.start if how == "killed" else own_postgres.resume)

            async def is_there() -> bool:
                return (await ask(service, post_to(call, 5))).status == 200

            await eventually(is_there, within_s=5, what="Postgres is used again")
            assert [(await ask(service, target)).status for target in targets] == [200] * 4
        assert await stage.revenue() == 5
        assert await stage.sums_are_equal()
