"""The rtb service, put together.

Owns the wiring: opens pools, builds objects, names routes, closes in reverse. The only room that reads settings.
"""

from collections.abc import Sequence

from services.rtb.handlers import Handlers
from services.rtb.handlers.confirming import Confirming
from services.rtb.handlers.desk import Desk
from services.rtb.handlers.pinging import Pinging
from services.rtb.settings import RtbServiceSettings
from services.rtb.store import SCRIPTS, PingStore
from services.rtb.wire import AnswerForm, write_xml_fault
from shared.chores import Chores
from shared.clock import Clock
from shared.dice import Dice
from shared.domain.routing.evaluation import Evaluation
from shared.http_routes import Route
from shared.service_run import Service
from shared.stores.clock_sampler import ClockSampler
from shared.stores.config_cache import ConfigCache
from shared.stores.key_lookup import KeyLookup
from shared.stores.postgres import Postgres
from shared.stores.redis import Redis
from shared.stores.store_counts import StoreCounts


class RtbApp:
    """Pools, collaborators and background work of one worker."""

    def __init__(self, settings: RtbServiceSettings) -> None:
        self._settings = settings
        self._chores = Chores()
        self.routes: Sequence[Route] = ()

    async def start(self) -> None:
        """Open the pools and build the service. Errors: OperatorError when a store cannot be used."""
        settings = self._settings
        self._postgres = await Postgres.open(
            settings.postgres_dsn.reveal(),
            max_size=settings.postgres_connections,
            pooler=settings.postgres_pooler,
            name="ringpost-rtb",
        )
        self._redis = await Redis.open(
            settings.redis_url.reveal(), scripts=SCRIPTS, checks=settings.redis_checks
        )
        clock = Clock()
        sampler = ClockSampler(clock, self._redis)
        await sampler.resync()
        self._config: ConfigCache[Evaluation] = ConfigCache(
            self._postgres, Evaluation, keys=settings.keys_in_memory, plans=settings.plans_in_memory
        )
        self._keys = KeyLookup(
            self._postgres, self._config, pepper=settings.pepper.reveal().encode(), clock=clock
        )
        self.routes = _routes(self._handlers(clock, sampler))
        counts = StoreCounts(self._redis, self._postgres)
        counts.watch_config(self._config)
        self._chores.start("clock", sampler.run)
        self._chores.start("store counts", counts.run)

    def _handlers(self, clock: Clock, sampler: ClockSampler) -> Handlers:
        settings = self._settings
        store = PingStore(
            self._redis,
            soft=settings.stream_soft_length,
            hard=settings.stream_hard_length,
            has_sip=bool(settings.sip_domain),
        )
        desk = Desk(self._keys, self._config, store=store, clock=clock, sampler=sampler)
        return Handlers(
            Pinging(desk, store, clock=clock, dice=Dice()),
            Confirming(desk, store, config=self._config, postgres=self._postgres, clock=clock),
            AnswerForm(sip_domain=settings.sip_domain),
        )

    async def ready(self) -> bool:
        """Pings can be answered when Redis can be asked."""
        return self._redis.connected

    async def close(self) -> None:
        """Undo start, in reverse."""
        await self._chores.stop()
        await self._keys.close()
        await self._config.close()
        await self._redis.close()
        await self._postgres.close()


def _routes(handlers: Handlers) -> tuple[Route, ...]:
    routes = []
    for ending in (".json", ".xml", ""):  # the bare template would match the others too
        fault = write_xml_fault if ending == ".xml" else None
        routes += [
            Route(
                methods=("GET", "POST"), template=f"/rtbs{ending}", endpoint=handlers.ping, write_fault=fault
            ),
            Route(
                methods=("PUT", "PATCH"),
                template=f"/rtbs/{{uuid}}{ending}",
                endpoint=handlers.confirm,
                write_fault=fault,
            ),
            Route(
                methods=("GET",),
                template=f"/rtbs/{{uuid}}{ending}",
                endpoint=handlers.show,
                write_fault=fault,
            ),
        ]
    return tuple(routes)


SERVICE = Service(name="rtb", settings=RtbServiceSettings, make_app=RtbApp)
