"""The calls service, put together.

Owns the wiring: opens pools, builds objects, names routes, closes in reverse. The only room that reads settings.
"""

from collections.abc import Sequence

from services.calls.handlers.arriving import Arriving
from services.calls.handlers.desk import Desk
from services.calls.handlers.generic import GenericSwitch
from services.calls.handlers.greeting import Greeting
from services.calls.handlers.overdue import Overdue
from services.calls.handlers.reporting import Reporting
from services.calls.handlers.routing import Routing
from services.calls.handlers.twilio import TwilioSwitch
from services.calls.settings import CallsServiceSettings
from shared.chores import Chores
from shared.courier import Courier
from shared.dice import Dice
from shared.domain.call_keys import CallKeys
from shared.domain.routing.evaluation import Evaluation
from shared.domain.switching.nouns import FallBack
from shared.http_routes import Route
from shared.outbound import Outbound
from shared.pools import Pools
from shared.service_run import Service
from shared.stores.config_cache import ConfigCache
from shared.stores.hot_calls import SCRIPTS, HotCalls
from shared.stores.owed_tags import OwedTags
from shared.stores.sealing import read_sealer
from shared.stores.switches import SwitchDirectory
from shared.telling import Telling


class CallsApp:
    """Pools and collaborators of one worker."""

    def __init__(self, settings: CallsServiceSettings) -> None:
        self._settings = settings
        self.routes: Sequence[Route] = ()
        self._chores = Chores()

    async def start(self) -> None:
        """Open the pools and build the service. Errors: OperatorError when a store cannot be used."""
        settings = self._settings
        pools = self._pools = await Pools.open(settings, name="calls", scripts=SCRIPTS)
        config = self._config = ConfigCache[Evaluation](
            pools.postgres, Evaluation, keys=settings.keys_in_memory, plans=settings.plans_in_memory
        )
        pools.counts.watch_config(config)
        outbound = self._outbound = Outbound.open(settings.outbound_allowed_networks)
        sealer = read_sealer(settings.switch_encryption_key.reveal(), name="RINGPOST_SWITCH_ENCRYPTION_KEY")
        directory = self._directory = SwitchDirectory(pools.postgres, sealer)
        await directory.refresh()
        pepper = settings.pepper.reveal().encode()
        owed_tags = OwedTags(pools.postgres, pools.redis)
        keys, hot = CallKeys(pepper), HotCalls(pools.redis, pools.clock, owed_tags=owed_tags)
        desk = Desk(pools, config, dice=Dice())
        routing = Routing(desk, hot, key_of=keys.key_of)
        reporting = Reporting(desk, hot, routing=routing)
        courier = Courier(outbound, pools.clock, pepper=pepper)
        greeting = self._greeting = Greeting(desk, courier, wait_s=settings.start_webhook_wait_s)
        arriving = Arriving(
            desk,
            hot,
            routing=routing,
            greeting=greeting,
            hmac_of=keys.hmac_of,
            fallback=FallBack(number=settings.platform_fallback_number, message=settings.fallback_message),
        )
        telling = Telling(
            outbound,
            directory,
            clock=pools.clock,
            public_url=settings.public_url,
            twilio_api_url=settings.twilio_api_url,
        )
        overdue = Overdue(
            desk, reporting=reporting, routing=routing, telling=telling, idle_s=settings.call_idle_s
        )
        self._chores.start("owed tags", owed_tags.run)
        self._chores.start("switches", directory.run)
        self._chores.start("overdue calls", overdue.run)
        self.routes = _routes(
            GenericSwitch(arriving, reporting, directory=directory, clock=pools.clock),
            TwilioSwitch(arriving, reporting, directory=directory, public_url=settings.public_url),
        )

    async def ready(self) -> bool:
        """Calls are taken without Redis, and answered without Postgres."""
        return True

    async def close(self) -> None:
        """Undo start, in reverse."""
        await self._chores.stop()
        await self._greeting.close()
        await self._directory.close()
        await self._outbound.close()
        await self._config.close()
        await self._pools.close()


def _routes(generic: GenericSwitch, twilio: TwilioSwitch) -> tuple[Route, ...]:
    endpoints = (
        ("/v1/calls", generic.inbound),
        ("/v1/calls/{uuid}/events", generic.event),
        ("/twilio/voice", twilio.voice),
        ("/twilio/dial-action", twilio.dial_action),
        ("/twilio/status", twilio.status),
    )
    return tuple(
        Route(methods=("POST",), template=template, endpoint=endpoint) for template, endpoint in endpoints
    )


SERVICE = Service(name="calls", settings=CallsServiceSettings, make_app=CallsApp)
