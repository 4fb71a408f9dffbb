"""An account as its file describes it, each entity named by its customer-set id.

Owns the Structs that a file is read into and that the stored account is loaded into, so that both can be
compared. Must never hold an internal id. Fields are called as in the file; None for `paused` means: as it is.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from shared.domain.caps import Caps
from shared.domain.key_settings import KeySettings, Kind
from shared.domain.keys import Features, Level
from shared.domain.schedule import Block
from shared.domain.tokens import Hidden


class CallerList(Struct, frozen=True, kw_only=True):
    """A caller list. Shape: numbers only seed a list that is created; bigger ones are uploaded."""

    name: str
    numbers: tuple[str, ...] = ()
    expires_after_seconds: int | None = None


class Company(Struct, frozen=True, kw_only=True):
    """Whose account it is. Shape: api_key and shard None = as it is, or made at the creation."""

    name: str
    time_zone: str = "America/New_York"
    currency: str = "USD"
    api_key: Hidden | None = None
    features: Features = Features()
    shard: int | None = None
    caller_lists: tuple[CallerList, ...] = ()


class Publisher(Struct, frozen=True, kw_only=True):
    """Who sends callers."""

    afid: str
    first_name: str = ""
    last_name: str = ""
    company_name: str = ""
    paused: bool | None = None


class Ask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request to a buyer, as its bid or as the post to the winner. Units: timeout_ms."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: str = ""
    timeout_ms: int | None = None
    output_map: Mapping[str, str] = {}
    accept_when: str = ""


class Bid(Struct, frozen=True, kw_only=True):
    """What a buyer pays: a fixed revenue, or what its answer to a request says."""

    revenue: Decimal | None = None
    ask: Ask | None = None
    hide_caller_number: bool = False
    post: Ask | None = None


class Buyer(Struct, frozen=True, kw_only=True):
    """Who takes callers. Units: timeout_seconds of ringing."""

    tid: str
    name: str = ""
    dba: str = ""
    number: str
    priority: int = 1
    weight: int = 1
    timeout_seconds: int = 30
    send_digits: str = ""
    paused: bool | None = None
    time_zone: str | None = None
    business_hours: tuple[Block, ...] = ()
    caps: Caps = Caps()
    tags: tuple[str, ...] = ()
    tag_prefix: str = ""
    caller_lists: tuple[CallerList, ...] = ()
    bid: Bid | None = None


class BuyerGroup(Struct, frozen=True, kw_only=True):
    """Buyers that are one candidate. Shape: buyers by tid."""

    name: str
    buyers: tuple[str, ...] = ()
    behavior: str = "separately"
    caps: Caps = Caps()
    priority: int = 1
    weight: int = 1
    paused: bool | None = None


class Row(Struct, frozen=True, kw_only=True):
    """A buyer in a campaign's routing. Shape: None = the buyer's own."""

    tid: str
    priority: int | None = None
    weight: int | None = None


class Routing(Struct, frozen=True, kw_only=True):
    """Who may get a campaign's callers. Shape: buyers first, then groups by name."""

    mode: str = "priority_weight"
    buyers: tuple[Row, ...] = ()
    groups: tuple[str, ...] = ()


class Number(Struct, frozen=True, kw_only=True):
    """A tracked number. Shape: publisher by afid."""

    number: str
    publisher: str | None = None
    rtb_pool: bool = False
    tags: Mapping[str, str] = {}


class Conversion(Struct, frozen=True, kw_only=True):
    """One entry of a criteria group."""

    seconds: int | None = None
    revenue: Decimal | None = None
    payout: Decimal | None = None
    payout_modifier: str | None = None
    postback_timeout_seconds: int | None = None


class Criterion(Struct, frozen=True, kw_only=True):
    """A conversion criteria group."""

    name: str
    side: str = "both"
    kind: str
    tags: tuple[str, ...] = ()
    eval_order: int = 1
    dedupe_seconds: int = 0
    conversions: tuple[Conversion, ...] = ()


class Webhook(Struct, frozen=True, kw_only=True):
    """A request that an event of a call causes."""

    name: str
    trigger: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: str = ""
    tags: tuple[str, ...] = ()
    fire_order: int = 1
    dedupe_seconds: int = 0


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign.

    Shape: cid "" = matched by its name, or drawn. Units: seconds of call that the default payout needs.
    """

    cid: str = ""
    name: str = ""
    routing: Routing = Routing()
    tags: tuple[str, ...] = ()
    dedupe_seconds: int = 0
    paused: bool | None = None
    allow_loss: bool = False
    no_target_message: str = ""
    fallback_number: str | None = None
    sub_id: str = ""
    default_payout: Decimal | None = None
    default_revenue: Decimal | None = None
    seconds: int | None = None
    numbers: tuple[Number, ...] = ()
    conversion_criteria: tuple[Criterion, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    caller_lists: tuple[CallerList, ...] = ()


class Entry(Struct, frozen=True, kw_only=True):
    """Where a call may be transferred."""

    name: str
    number: str


class Directory(Struct, frozen=True, kw_only=True):
    """Where calls may be transferred."""

    name: str
    entries: tuple[Entry, ...] = ()


class PostbackKey(Struct, frozen=True, kw_only=True):
    """A key on one entity.

    Shape: publisher (afid), campaign (cid) and directory stand for the ids in settings, which are 0 here; ""
    = none.
    """

    name: str
    kind: Kind
    level: Level
    entity: str
    settings: KeySettings
    publisher: str = ""
    campaign: str = ""
    directory: str = ""
    token: Hidden | None = None
    secret: Hidden | None = None
    paused: bool | None = None


class Account(Struct, frozen=True, kw_only=True):
    """One company whole."""

    company: Company
    publishers: tuple[Publisher, ...] = ()
    buyers: tuple[Buyer, ...] = ()
    buyer_groups: tuple[BuyerGroup, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    directories: tuple[Directory, ...] = ()
    postback_keys: tuple[PostbackKey, ...] = ()
