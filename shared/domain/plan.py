"""What an evaluation needs to know of an account, as loaded from Postgres and never changed after.

Owns the Structs of a company and of one campaign's plan. Must never know how they are stored or ranked.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.asks import Asking
from shared.domain.caps import Caps
from shared.domain.schedule import Block
from shared.domain.tags import Rule
from shared.domain.webhooks import Webhook


class ListIds(Struct, frozen=True, kw_only=True):
    """The caller lists of one level that have an effect: deny refuses their members, admit takes only theirs."""

    deny: tuple[int, ...] = ()
    admit: tuple[int, ...] = ()


class Publisher(Struct, frozen=True, kw_only=True):
    """Who sends the caller."""

    id: int
    afid: str
    paused: bool = False


class Company(Struct, frozen=True, kw_only=True):
    """What all campaigns of a company share.

    Shape: publishers by afid and by id; campaign ids by cid and by inbound number. version: the config version it was
    read at.
    """

    id: int
    shard: int
    version: int
    time_zone: str
    list_buckets: int
    real_time_bidding: bool = True
    reuse_tags: bool = True
    lists: ListIds = ListIds()
    publishers: Mapping[str, Publisher]
    publishers_by_id: Mapping[int, Publisher]
    campaigns_by_cid: Mapping[str, int]
    campaigns_by_number: Mapping[str, int]


class Buyer(Struct, frozen=True, kw_only=True):
    """A buyer as a candidate.

    Shape: asking is None for a buyer that is not asked for its bid. Units: bid_revenue in the company's currency, None = no
    static bid; timeout_seconds of ringing.
    """

    id: int
    tid: str
    name: str = ""
    dba: str = ""
    number: str
    priority: int = 1
    weight: int = 1
    paused: bool = False
    time_zone: str
    hours: tuple[Block, ...] = ()
    caps: Caps = Caps()
    rules: tuple[Rule, ...] = ()
    lists: ListIds = ListIds()
    bid_revenue: Decimal | None = None
    asking: Asking | None = None
    timeout_seconds: int = 30
    send_digits: str = ""


class Group(Struct, frozen=True, kw_only=True):
    """A buyer group as a candidate: members in their own order."""

    id: int
    name: str
    simultaneous: bool = False
    priority: int = 1
    weight: int = 1
    paused: bool = False
    caps: Caps = Caps()
    members: tuple[int, ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """One row of a campaign's routing: a buyer or a group (the other is 0), with what overrides its own."""

    buyer_id: int = 0
    group_id: int = 0
    priority: int | None = None
    weight: int | None = None


class ConversionEntry(Struct, frozen=True, kw_only=True):
    """One entry of a criteria group. Units: seconds of connected call; a modifier has no expected value."""

    seconds: int | None = None
    revenue: Decimal | None = None
    payout: Decimal | None = None
    payout_modifier: str | None = None
    postback_timeout_seconds: int | None = None


class Criterion(Struct, frozen=True, kw_only=True):
    """A conversion criteria group, in eval_order. Units: dedupe_seconds between a caller's calls, 0 = the campaign's."""

    id: int
    pays_publisher: bool
    bills_buyer: bool
    timer: bool
    rules: tuple[Rule, ...] = ()
    entries: tuple[ConversionEntry, ...] = ()
    dedupe_seconds: int = 0


class InboundNumber(Struct, frozen=True, kw_only=True):
    """A tracked number of the campaign."""

    id: int = 0
    number: str
    rtb_pool: bool = False
    publisher_id: int = 0
    tags: Mapping[str, str] = {}


class Plan(Struct, frozen=True, kw_only=True):
    """One campaign with everything a ping or a call is judged by.

    Shape: buyers and groups by id; criteria in eval_order; numbers by E.164, in the order of their ids.
    """

    company: Company
    version: int
    campaign_id: int
    cid: str
    by_bid: bool = False
    paused: bool = False
    allow_loss: bool = False
    default_payout: Decimal | None = None
    default_revenue: Decimal | None = None
    seconds: int | None = None
    rules: tuple[Rule, ...] = ()
    lists: ListIds = ListIds()
    routes: tuple[Route, ...] = ()
    buyers: Mapping[int, Buyer] = {}
    groups: Mapping[int, Group] = {}
    criteria: tuple[Criterion, ...] = ()
    numbers: Mapping[str, InboundNumber] = {}
    webhooks: tuple[Webhook, ...] = ()
    dedupe_seconds: int = 0
    no_target_message: str = ""
    fallback_number: str = ""
