"""The control service, put together.

Owns the wiring: opens pools, builds objects, names routes, closes in reverse. The only room that reads settings.
"""

from collections.abc import Sequence

from services.control.handlers import Handlers
from services.control.handlers.list_routes import list_routes
from services.control.handlers.list_uploads import Uploads
from services.control.handlers.lists import Lists
from services.control.handlers.rejecting import Rejecting
from services.control.handlers.transferring import Transferring
from services.control.settings import ControlServiceSettings
from services.control.store import GroupCalls
from services.control.wire.rejecting import write_reject_fault
from services.control.wire.transferring import write_control_fault, write_transfer_fault
from shared.chores import Chores
from shared.dice import Dice
from shared.domain.plan import Plan
from shared.http_routes import Route
from shared.outbound import Outbound
from shared.pools import Pools
from shared.service_run import Service
from shared.stores.config_cache import ConfigCache
from shared.stores.hot_company import SCRIPTS
from shared.stores.key_desk import KeyDesk
from shared.stores.key_lookup import KeyLookup
from shared.stores.key_uses import UseCounts
from shared.stores.keyring import Keyring
from shared.stores.list_access import ListAccess
from shared.stores.list_desk import ListDesk
from shared.stores.mirror import MIRROR
from shared.stores.sealing import read_sealer
from shared.stores.switches import SwitchDirectory
from shared.stores.versions import PostgresVersions
from shared.telling import Telling


class ControlApp:
    """Pools and collaborators of one worker."""

    def __init__(self, settings: ControlServiceSettings) -> None:
        self._settings = settings
        self.routes: Sequence[Route] = ()
        self._chores = Chores()

    async def start(self) -> None:
        """Open the pools and build the service. Errors: OperatorError when a store cannot be used."""
        settings = self._settings
        pools = self._pools = await Pools.open(settings, name="control", scripts=(MIRROR, *SCRIPTS))
        postgres, clock = pools.postgres, pools.clock
        config: ConfigCache[Plan] = ConfigCache(
            postgres, lambda plan: plan, keys=settings.keys_in_memory, plans=settings.plans_in_memory
        )
        pools.counts.watch_config(config)
        keys = KeyLookup(postgres, config, pepper=settings.pepper.reveal().encode(), clock=clock)
        versions = PostgresVersions(postgres)
        self._keyring = Keyring(keys, config, versions=versions, clock=clock, sampler=pools.sampler)
        uses = UseCounts(postgres)
        desk = KeyDesk(self._keyring, uses=uses, clock=clock, dice=Dice())
        outbound = self._outbound = Outbound.open(settings.outbound_allowed_networks)
        sealer = read_sealer(settings.switch_encryption_key.reveal(), name="RINGPOST_SWITCH_ENCRYPTION_KEY")
        directory = self._directory = SwitchDirectory(postgres, sealer)
        await directory.refresh()
        telling = Telling(
            outbound,
            directory,
            clock=clock,
            public_url=settings.calls_url,
            twilio_api_url=settings.twilio_api_url,
        )
        self._chores.start("key uses", uses.run)
        self._chores.start("switches", directory.run)
        access = ListAccess(desk, postgres, pepper=settings.pepper.reveal().encode())
        lists = Lists(access, ListDesk(postgres, pools.redis), postgres=postgres, clock=clock)
        calls = GroupCalls(desk, postgres, redis=pools.redis)
        of_calls = Handlers(
            Rejecting(desk, calls, telling=telling),
            Transferring(desk, calls, postgres=postgres, telling=telling),
        )
        self.routes = (
            *_routes(of_calls),
            *list_routes(lists, Uploads(lists, desk, postgres=postgres)),
        )

    async def ready(self) -> bool:
        """Redis may be away; what Postgres being away means, each answer says."""
        return True

    async def close(self) -> None:
        """Undo start, in reverse."""
        await self._chores.stop()
        await self._directory.close()
        await self._outbound.close()
        await self._keyring.close()
        await self._pools.close()


def _routes(handlers: Handlers) -> tuple[Route, ...]:
    control = "/call_control/v1"
    of_groups = [
        Route(methods=methods, template=f"/{spelling}/{{group}}/{ending}", endpoint=each, write_fault=fault)
        for spelling in ("handler_groups", "buyer_groups")
        for methods, ending, each, fault in (
            (("GET", "POST"), "call_control/reject", handlers.reject, write_reject_fault),
            (("GET",), "transfers/interface", handlers.view, write_transfer_fault),
            (("POST",), "transfers/interface", handlers.hand_on, write_transfer_fault),
        )
    ]
    of_calls = [
        Route(methods=(method,), template=control + ending, endpoint=each, write_fault=write_control_fault)
        for method, ending, each in (
            ("GET", "/active_calls.json", handlers.active),
            ("POST", "/calls/{uuid}/transfer.json", handlers.transfer),
            ("POST", "/transfers/{uuid}/conference_caller.json", handlers.confer),
            ("DELETE", "/transfers/{uuid}.json", handlers.cancel),
        )
    ]
    return (*of_groups, *of_calls)


SERVICE = Service(name="control", settings=ControlServiceSettings, make_app=ControlApp)
