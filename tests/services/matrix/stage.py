"""The services of the matrix as processes, over two companies with all keys.

Owns the processes, the ids of the home company, and the routes that the services really have.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from services.control.app import ControlApp
from services.control.settings import ControlServiceSettings
from services.data.app import DataApp
from services.data.settings import DataServiceSettings
from services.rtb.app import RtbApp
from services.rtb.settings import RtbServiceSettings
from shared.domain.keys import Level
from shared.settings import read_settings
from shared.stores.plans import load_company, load_plan
from tests.services.matrix.keys import COMPANIES, account_of
from tests.services.rtb.bench import Loop
from tests.support.account_store import PEPPER, AccountStore, opened
from tests.support.call_stage import KEYS, CallStage
from tests.support.processes import ServiceProcess, running_service


class Stage(Struct, frozen=True, kw_only=True):
    """What stands. Shape: ids by what rows call them, call and call_key too; routes are (service, method, template)."""

    services: Mapping[str, ServiceProcess]
    ids: Mapping[str, str]
    routes: frozenset[tuple[str, str, str]]


_FOR_CONTROL = {"RINGPOST_SWITCH_ENCRYPTION_KEY": "switch-encryption-key-of-the-tests-0123"}


def environment_of(dsn: str, redis_url: str) -> dict[str, str]:
    """What all three are given."""
    return {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
    }


@contextmanager
def running_stage(loop: Loop, dsn: str, redis_url: str) -> Iterator[Stage]:
    """All of it, until the end."""
    environment = environment_of(dsn, redis_url)
    ids = loop.run(_prepared(dsn, redis_url))
    routes = frozenset(loop.run(_routes({**environment, **_FOR_CONTROL})))
    with (
        running_service("rtb", environment) as rtb,
        running_service("data", environment) as data,
        running_service("control", {**environment, **_FOR_CONTROL}) as control,
    ):
        yield Stage(services={"rtb": rtb, "data": data, "control": control}, ids=ids, routes=routes)


async def _prepared(dsn: str, redis_url: str) -> Mapping[str, str]:
    async with opened(dsn, redis_url) as store:
        await store.warm()
        for number, company in enumerate(COMPANIES, start=701):
            applied = await store.apply(account_of(company, number))
            await store.sync(applied.company_id)
        ids = await _ids(store)
        return {**ids, **await _call(store, int(ids["company"]), campaign_id=int(ids["campaign"]))}


async def _call(store: AccountStore, company_id: int, *, campaign_id: int) -> Mapping[str, str]:
    """A call that is live at home, and its own key."""
    company = await load_company(store.postgres, company_id)
    assert company is not None
    plan = await load_plan(store.postgres, company, campaign_id=campaign_id)
    assert plan is not None
    now_ms = int(1000 * await store.postgres.fetchval("SELECT extract(epoch FROM now())"))
    stage = CallStage(store, plan, now_ms=now_ms - 60_000)
    (publisher,) = (each for each in company.publishers_by_id.values() if each.afid == "pub_a")
    call = stage.a_call("+12125559988", publisher_id=publisher.id)
    assert await stage.open(call) is not None
    return {"call": call.uuid, "call_key": KEYS.key_of(call.key_seed)}


async def _ids(store: AccountStore) -> Mapping[str, str]:
    standing = await store.standing("home")
    ids = standing.ids
    company = await store.postgres.fetchval("SELECT id FROM companies WHERE name = 'home'")
    return {
        "campaign": str(ids[Level.CAMPAIGN]["auto"]),
        "target": str(ids[Level.BUYER]["alpha"]),
        "group": str(ids[Level.BUYER_GROUP]["East"]),
        "company": str(company),
    }


async def _routes(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What the services would serve, from their own tables."""
    known: list[type[Struct]] = [RtbServiceSettings, DataServiceSettings, ControlServiceSettings]
    apps: dict[str, RtbApp | DataApp | ControlApp] = {
        "rtb": RtbApp(read_settings(RtbServiceSettings, environment, known=known)),
        "data": DataApp(read_settings(DataServiceSettings, environment, known=known)),
        "control": ControlApp(read_settings(ControlServiceSettings, environment, known=known)),
    }
    for app in apps.values():
        await app.start()
        await app.close()
    return [
        (name, method, route.template)
        for name, app in apps.items()
        for route in app.routes
        for method in route.methods
    ]
