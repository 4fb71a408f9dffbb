"""The data service, put together.

Owns the wiring: opens pools, builds objects, names routes, closes in reverse. The only room that reads settings.
"""

from collections.abc import Sequence

from services.data.handlers import Handlers
from services.data.handlers.desk import Desk
from services.data.handlers.posting import Posting
from services.data.handlers.reading import Reading
from services.data.handlers.writing import Writing
from services.data.settings import DataServiceSettings
from services.data.wire.answers import write_open_fault, write_text_fault
from shared.chores import Chores
from shared.dice import Dice
from shared.domain.routing.evaluation import Evaluation
from shared.http_routes import Route
from shared.pinging.app import PingHouse
from shared.pinging.store import SCRIPTS
from shared.pools import Pools
from shared.service_run import Service
from shared.stores.call_access import SharedAccess
from shared.stores.call_turns import Turns
from shared.stores.config_cache import ConfigCache
from shared.stores.hot_tags import TAGS
from shared.stores.key_lookup import KeyLookup
from shared.stores.key_uses import UseCounts
from shared.stores.keyring import Keyring
from shared.stores.owed_tags import OwedTags
from shared.stores.versions import PostgresVersions, RedisVersions


class DataApp:
    """Pools and collaborators of one worker."""

    def __init__(self, settings: DataServiceSettings) -> None:
        self._settings = settings
        self.routes: Sequence[Route] = ()
        self._chores = Chores()

    async def start(self) -> None:
        """Open the pools and build the service. Errors: OperatorError when a store cannot be used."""
        settings = self._settings
        pools = self._pools = await Pools.open(settings, name="data", scripts=(TAGS, *SCRIPTS))
        postgres, clock = pools.postgres, pools.clock
        config: ConfigCache[Evaluation] = ConfigCache(
            postgres, Evaluation, keys=settings.keys_in_memory, plans=settings.plans_in_memory
        )
        pepper = settings.pepper.reveal().encode()
        keys = KeyLookup(postgres, config, pepper=pepper, clock=clock)
        pools.counts.watch_config(config)
        self._keyring, for_pings = (
            Keyring(keys, config, versions=versions, clock=clock, sampler=pools.sampler)
            for versions in (PostgresVersions(postgres), RedisVersions(pools.redis))
        )
        uses, owed_tags = UseCounts(postgres), OwedTags(postgres, pools.redis)
        desk = Desk(self._keyring, uses=uses, clock=clock, dice=Dice())
        access = SharedAccess(postgres)
        self._chores.start("calls", access.run)
        self._chores.start("key uses", uses.run)
        self._chores.start("owed tags", owed_tags.run)
        handlers = Handlers(
            Writing(desk, owed_tags, pepper=pepper, stored_s=settings.stored_tags_s),
            Reading(desk),
            posting=Posting(desk),
            turns=Turns(postgres),
            access=access,
        )
        house = self._house = PingHouse(settings, pools, keyring=for_pings)
        self.routes = (*_routes(handlers), *house.call_reservations())

    async def ready(self) -> bool:
        """Redis may be away; what Postgres being away means, each answer says."""
        return True

    async def close(self) -> None:
        """Undo start, in reverse."""
        await self._chores.stop()
        await self._house.close()
        await self._keyring.close()
        await self._pools.close()


def _routes(handlers: Handlers) -> tuple[Route, ...]:
    from_browsers = (("/data_writing", handlers.write), ("/data_reading", handlers.read))
    open_routes = [
        Route(methods=methods, template=template + ending, endpoint=each, write_fault=write_open_fault)
        for template, endpoint in from_browsers
        for ending in (".json", "", "/{key}")
        for methods, each in ((("GET", "POST"), endpoint), (("OPTIONS",), handlers.preflight))
    ]
    posts = [
        Route(methods=("GET", "POST"), template=each, endpoint=handlers.post, write_fault=write_text_fault)
        for each in ("/postbacks/{key}", "/postbacks")
    ]
    return (*open_routes, *posts)


SERVICE = Service(name="data", settings=DataServiceSettings, make_app=DataApp)
