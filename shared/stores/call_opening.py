"""A call's first transaction: it is there once, claims its reservation once, and gets the tags that wait for it.

Owns the order of what is written then. Must never route.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.call_books import Books, CallChange
from shared.domain.calls import Call, CallState
from shared.stores.call_changes import Saving, save_change
from shared.stores.calls import claim_provider_call, has_called, insert_call
from shared.stores.outbox import LEASE_S
from shared.stores.pings import Claim, save_claim
from shared.stores.postgres import Connection, Postgres
from shared.stores.stored_tags import Used, use_up


class Came(Struct, frozen=True, kw_only=True):
    """A call as it comes in, with the tags of its number and of its reservation's ping."""

    call: Call
    number_tags: Mapping[str, str] = {}
    ping_tags: Mapping[str, str] = {}


class Opened(Struct, frozen=True, kw_only=True):
    """A new call: its change with the webhooks of its start, and the stored tags that it has used up."""

    change: CallChange
    used: Used


async def open_call(
    postgres: Postgres, came: Came, *, hmac_of: Callable[[str], bytes], books: Books
) -> Opened | None:
    """Open a call; None when the switch's call is there already.

    Shape: a call whose reservation another call has claimed loses it, its tags and what it promised. Stored tags win over the
    reservation's, those over the number's. hmac_of: from the seed of the call's key to what the key is looked up by.
    Errors: Unavailable. Cost: one transaction of five statements, six with a reservation.
    """
    call, tags = came.call, {**came.number_tags, **came.ping_tags}
    async with postgres.transaction() as connection:
        if not await claim_provider_call(connection, call):
            return None
        if call.reservation_uuid and not await save_claim(connection, _claim(call)):
            call, tags = as_ordinary(call), dict(came.number_tags)
        call = replace(call, repeat=await has_called(connection, call))
        await insert_call(connection, call, key_hmac=hmac_of(call.key_seed))
        used = await use_up(connection, call.company_id, caller=call.caller, publisher_id=call.publisher_id)
        own = {**tags, **used.tags}
        change = books.fire(CallChange(state=CallState(call=call, tags=own), tags=own), "start")
        await save_change(connection, Saving(change=change, leased_s=LEASE_S))
        asked = await load_asked(connection, call) if change.firings else frozenset()
        change = replace(change, firings=tuple(each for each in change.firings if each.id in asked))
    state = replace(change.state, call=replace(change.state.call, rev=call.rev + 1))
    return Opened(change=replace(change, state=state), used=used)


LOAD_ASKED = "SELECT id::text FROM outbox WHERE call_uuid = $1"


async def load_asked(connection: Connection, call: Call) -> frozenset[str]:
    """The webhooks of a call's start that are owed: one whose caller had it lately is not."""
    return frozenset(row["id"] for row in await connection.fetch(LOAD_ASKED, call.uuid))


def as_ordinary(call: Call) -> Call:
    """The same call without a reservation; whose publisher it is stays."""
    return replace(
        call,
        reservation_uuid="",
        ping_key_id=0,
        reserved_buyer_id=0,
        reserved_group_id=0,
        reserved_bid=None,
        reserved_number="",
        only_reserved=False,
        promised_payout=None,
        via="number" if call.number else "sip",
    )


def _claim(call: Call) -> Claim:
    return Claim(
        uuid=call.reservation_uuid,
        company_id=call.company_id,
        key_id=call.ping_key_id,
        publisher_id=call.publisher_id,
        campaign_id=call.campaign_id,
        call_uuid=call.uuid,
        at_ms=call.started_ms,
    )
