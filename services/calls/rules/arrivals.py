"""A call as it comes in: what was promised of it, and whose it is.

Owns how a reservation, a number and an earlier one make a new call. Must never look anything up.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.calls import Call
from shared.domain.ping_log import PingRow
from shared.domain.pings import Winner
from shared.domain.plan import InboundNumber, Plan
from shared.domain.reservations import Reservation
from shared.domain.switching.nouns import Inbound

_NOBODY = Winner(buyer_id=0)


class Promise(Struct, frozen=True, kw_only=True):
    """The live reservation that a call belongs to. Shape: only_reserved: nobody but its buyer may get the call."""

    uuid: str
    key_id: int
    publisher_id: int
    winner: Winner
    only_reserved: bool = False


def promise_of(held: Reservation | PingRow) -> Promise:
    """What a reservation promises, as Redis or the log has it."""
    winner = held.winner if isinstance(held, Reservation) else held.replay.winner
    return Promise(
        uuid=held.uuid, key_id=held.key_id, publisher_id=held.publisher_id, winner=winner or _NOBODY
    )


def new_call(plan: Plan, inbound: Inbound, *, uuid: str, promise: Promise | None, publisher_id: int) -> Call:
    """The call, ringing. Shape: publisher_id is the reservation's, the number's, or an earlier reservation's."""
    number = plan.numbers.get(inbound.number)
    call = Call(
        uuid=uuid,
        company_id=plan.company.id,
        started_ms=uuid7.ms_of(uuid),
        provider=inbound.provider,
        provider_call_id=inbound.provider_call_id,
        caller=inbound.caller,
        number=inbound.number,
        number_id=number.id if number else 0,
        campaign_id=plan.campaign_id,
        publisher_id=publisher_id,
        via="sip" if inbound.reservation else "number",
    )
    return call if promise is None else _promised(call, plan, promise=promise)


def _promised(call: Call, plan: Plan, *, promise: Promise) -> Call:
    winner = promise.winner
    buyer = plan.buyers.get(winner.buyer_id)
    bids = buyer is not None and (buyer.bid_revenue is not None or buyer.asking is not None)
    return replace(
        call,
        reservation_uuid=promise.uuid,
        ping_key_id=promise.key_id,
        reserved_buyer_id=winner.buyer_id,
        reserved_group_id=winner.group_id,
        reserved_bid=Decimal(winner.revenue) if bids and winner.revenue else None,
        reserved_number=winner.number,
        only_reserved=promise.only_reserved,
        promised_payout=Decimal(winner.payout) if winner.payout else None,
        via="rtb",
    )


def texts(tags: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
    """A ping's tags as a call keeps them: several values with commas between."""
    return {name: value if isinstance(value, str) else ",".join(value) for name, value in tags.items()}


def tags_of(number: InboundNumber | None) -> Mapping[str, str]:
    """What a number puts on its calls."""
    return number.tags if number else {}
