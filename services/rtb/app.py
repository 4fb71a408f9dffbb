"""The rtb service, put together.

Owns the wiring: opens pools, builds objects, names routes, closes in reverse. The only room that reads settings.
"""

from collections.abc import Sequence

from services.rtb.handlers import Handlers
from services.rtb.handlers.confirming import Confirming
from services.rtb.settings import RtbServiceSettings
from services.rtb.store import SCRIPTS, ConfirmStore
from shared.domain.keys import Kind
from shared.domain.routing.evaluation import Evaluation
from shared.http_routes import Route
from shared.pinging.app import PingHouse
from shared.pinging.store import SCRIPTS as PING_SCRIPTS
from shared.pinging.wire import write_xml_fault
from shared.pools import Pools
from shared.service_run import Service
from shared.stores.config_cache import ConfigCache
from shared.stores.key_lookup import KeyLookup
from shared.stores.keyring import Keyring
from shared.stores.versions import RedisVersions


class RtbApp:
    """Pools and collaborators of one worker."""

    def __init__(self, settings: RtbServiceSettings) -> None:
        self._settings = settings
        self.routes: Sequence[Route] = ()

    async def start(self) -> None:
        """Open the pools and build the service. Errors: OperatorError when a store cannot be used."""
        settings = self._settings
        pools = self._pools = await Pools.open(settings, name="rtb", scripts=(*PING_SCRIPTS, *SCRIPTS))
        postgres, redis, clock = pools.postgres, pools.redis, pools.clock
        config: ConfigCache[Evaluation] = ConfigCache(
            postgres, Evaluation, keys=settings.keys_in_memory, plans=settings.plans_in_memory
        )
        keys = KeyLookup(postgres, config, pepper=settings.pepper.reveal().encode(), clock=clock)
        pools.counts.watch_config(config)
        versions = RedisVersions(redis)
        self._keyring = Keyring(keys, config, versions=versions, clock=clock, sampler=pools.sampler)
        house = self._house = PingHouse(settings, pools, keyring=self._keyring)
        confirming = Confirming(house.desk(Kind.RTB), ConfirmStore(redis), keyring=self._keyring, pools=pools)
        handlers = Handlers(confirming, form=house.form)
        self.routes = (*house.pings(), *house.call_reservations(), *_routes(handlers))

    async def ready(self) -> bool:
        """Pings can be answered when Redis can be asked."""
        return self._pools.redis.connected

    async def close(self) -> None:
        """Undo start, in reverse."""
        await self._house.close()
        await self._keyring.close()
        await self._pools.close()


def _routes(handlers: Handlers) -> tuple[Route, ...]:
    endpoints = ((("PUT", "PATCH"), handlers.confirm), (("GET",), handlers.show))
    return tuple(
        Route(
            methods=methods,
            template="/rtbs/{uuid}" + ending,
            endpoint=endpoint,
            write_fault=write_xml_fault if ending == ".xml" else None,
        )
        for ending in (".json", ".xml", "")  # the bare template would match the others too
        for methods, endpoint in endpoints
    )


SERVICE = Service(name="rtb", settings=RtbServiceSettings, make_app=RtbApp)
