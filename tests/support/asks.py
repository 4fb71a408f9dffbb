"""Pings as the rtb service's scripts are asked about them, by hand."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shared.domain import uuid7
from shared.domain.keys import Key, Kind, Level, RtbSettings
from shared.domain.pings import Winner, encode_winner
from shared.domain.plan import ListIds, Plan
from shared.domain.routing.candidates import Candidates, pack
from shared.domain.routing.evaluation import Evaluation
from shared.domain.routing.seats import write_lists
from shared.domain.routing.subjects import FlatCaps
from shared.pinging.store import Ask, PingStore
from shared.pinging.store.forms import Terms
from tests.support.models import SHARD
from tests.support.plans import PUBLISHER, a_company, a_plan

CALLER = "+13105551212"
VERSION = 5
COMPANY = a_company(version=VERSION, list_buckets=1)
WINNERS = Evaluation(a_plan()).candidates({}, "0" * 36, now_ms=0, publisher=PUBLISHER).winners
_drawn = count(1)
_OF_A_PING = ("caller", "uuid", "now_ms", "candidates", "numbers", "tags_seen", "event", "then")


class Offer(Struct, frozen=True, kw_only=True):
    """One candidate: flat caps, lists and who it is."""

    caps: FlatCaps = ()
    lists: ListIds = ListIds()
    buyer_id: int = 1


def flat(subject: str, **limits: int | None) -> FlatCaps:
    """One subject's caps; its hour began at 3000, its day at 2000, its month at 1000."""
    names = ("concurrency", "hard", "hourly", "daily", "monthly")
    shown = [limits.get(name) for name in names]
    return (subject, *(-1 if limit is None else limit for limit in shown), 3_000, 2_000, 1_000)


def candidates(offers: Sequence[Offer], *, more: bool = False, decided: str = "") -> Candidates:
    """Offers as an evaluation hands them on."""
    records = [(o.caps, write_lists(o.lists), _winner(o.buyer_id)) for o in offers]
    return Candidates(
        packed=b"".join(pack(record) for record in records),
        seats=list(range(len(offers))),
        trace=" ".join(f"{offer.buyer_id}/0@" for offer in offers) + "\n",
        more=more,
        decided=decided,
        dropped={},
        winners=WINNERS,
    )


def _winner(buyer_id: int) -> str:
    return encode_winner(Winner(buyer_id=buyer_id, payout="12.50", seconds=90, dba="A|B\nC")).decode()


def a_key(key_id: int = 10) -> Key:
    """A campaign's rtb key."""
    return Key(
        id=key_id,
        company_id=1,
        shard=SHARD,
        kind=Kind.RTB,
        level=Level.CAMPAIGN,
        entity_id=100,
        name="ours",
        version=VERSION,
        settings=RtbSettings(),
    )


class Draft(Struct, frozen=True, kw_only=True):
    """All that one call of the script is made of, in the open."""

    key: Key
    settings: RtbSettings
    plan: Plan
    publisher_id: int
    caller: str
    uuid: str
    now_ms: int
    version: int
    candidates: Candidates
    lists: str
    listed: bool
    numbers: str
    tags_seen: str
    event: bytes
    verdicts: str = ""
    flags: str = ""
    then: str = ""

    def to(self, store: PingStore) -> Ask:
        """The same as the service asks it."""
        terms = Terms(**{name: getattr(self, name) for name in Terms.__struct_fields__})
        own = {name: getattr(self, name) for name in _OF_A_PING}
        return Ask(
            form=store.form(terms),
            noted=self.verdicts,
            flags=self.flags + ("L" if self.verdicts else ""),
            **own,
        )


def an_ask(now_ms: int, *offers: Offer, campaign_id: int = 100, **changes: Any) -> Draft:
    """A ping of CALLER into campaign 100 with a new uuid; settings and key by name."""
    uuid = uuid7.make(now_ms, SHARD, rand=next(_drawn).to_bytes(8, "big"))
    ask = Draft(
        key=a_key(),
        settings=RtbSettings(),
        plan=a_plan(company=COMPANY, campaign_id=campaign_id),
        publisher_id=PUBLISHER.id,
        caller=CALLER,
        uuid=uuid,
        now_ms=now_ms,
        version=VERSION,
        candidates=candidates(offers),
        lists="",
        listed=True,
        numbers="+18005550000",
        tags_seen="0:0",
        event=f"event of {uuid}".encode(),
    )
    return replace(ask, **changes)
