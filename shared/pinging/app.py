"""The endpoints of pings, put together for a service.

Owns their wiring and their routes. Must never open a pool.
"""

from shared.dice import Dice
from shared.domain.keys import Kind
from shared.domain.refusals import write_error
from shared.domain.routing.evaluation import Evaluation
from shared.http_routes import Route
from shared.pinging.buyer_wire import Secrets
from shared.pinging.buyers import BuyerLimits, Buyers
from shared.pinging.buyers.pool import PoolLimits
from shared.pinging.handlers import Pings
from shared.pinging.handlers.auction import Auction
from shared.pinging.handlers.desk import Desk
from shared.pinging.handlers.pinging import Pinging
from shared.pinging.rules.breaker import BreakerRule
from shared.pinging.settings import PingSettings
from shared.pinging.store import PingStore
from shared.pinging.wire import AnswerForm, Headers, retirement_headers, retiring, write_xml_fault
from shared.pools import Pools
from shared.stores.keyring import Keyring

METHODS = ("GET", "POST")


class PingHouse:
    """What the ping endpoints of one worker have in common. Made within the loop that will use it."""

    def __init__(self, settings: PingSettings, pools: Pools, *, keyring: Keyring[Evaluation]) -> None:
        self.form = AnswerForm(sip_domain=settings.sip_domain)
        self._settings = settings
        self._keyring = keyring
        self._clock = pools.clock
        self._store = PingStore(
            pools.redis,
            soft=settings.stream_soft_length,
            hard=settings.stream_hard_length,
            has_sip=bool(settings.sip_domain),
        )
        self._buyers = Buyers.open(_limits(settings), allowed=settings.outbound_allowed_networks)
        secrets = Secrets(settings.pepper.reveal().encode())
        self._auction = Auction(self._store, self._buyers, secrets=secrets)

    async def close(self) -> None:
        """Let the buyers' connections go."""
        await self._buyers.close()

    def desk(self, kind: Kind) -> Desk:
        """The desk of one kind of keys."""
        return Desk(self._keyring, kind, store=self._store)

    def pings(self) -> tuple[Route, ...]:
        """`/rtbs`."""
        return _routes("/rtbs", self._pings(Kind.RTB))

    def call_reservations(self) -> tuple[Route, ...]:
        """`/call_reservations`: the same for imported keys, and it says that it will end."""
        settings = self._settings
        headers = retirement_headers(
            settings.call_reservations_deprecated_on, settings.call_reservations_sunset_on
        )
        return _routes("/call_reservations", self._pings(Kind.CALL_RESERVATION, headers), headers=headers)

    def _pings(self, kind: Kind, headers: Headers = ()) -> Pings:
        pinging = Pinging(
            self.desk(kind),
            self._store,
            auction=self._auction,
            keyring=self._keyring,
            clock=self._clock,
            dice=Dice(),
        )
        return Pings(pinging, form=self.form, headers=headers)


def _limits(settings: PingSettings) -> BuyerLimits:
    return BuyerLimits(
        at_once=settings.buyer_requests,
        connections=PoolLimits(
            of_a_host=settings.buyer_host_connections,
            in_all=settings.buyer_connections,
            free_s=settings.buyer_idle_s,
        ),
        breaker=BreakerRule(
            in_a_row=settings.buyer_failures,
            share_pct=settings.buyer_failures_pct,
            pause_ms=int(settings.buyer_pause_s * 1000),
        ),
    )


def _routes(template: str, pings: Pings, *, headers: Headers = ()) -> tuple[Route, ...]:
    faults = {".json": write_error, ".xml": write_xml_fault, "": write_error}
    return tuple(
        Route(
            methods=METHODS,
            template=template + ending,
            endpoint=pings.ping,
            write_fault=retiring(fault, headers) if headers else fault,
        )
        for ending, fault in faults.items()
    )
