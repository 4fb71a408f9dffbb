"""What must change for a stored account to be as its file wants it.

Owns the comparison, and the lines that a plan is printed as. Must never show a token, an address that may
hold one, or a full number.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import fields, replace

from shared.domain.account.entities import Account, CallerList, Campaign, Company, PostbackKey
from shared.domain.account.references import listed
from shared.domain.account.standing import ListName, Standing, key_name
from shared.domain.keys import Level
from shared.domain.phone import mask


class Noun(StrEnum):
    """What is changed, in the order in which it is written; it is deleted in the opposite one."""

    COMPANY = "company"
    PUBLISHER = "publisher"
    BUYER = "buyer"
    BUYER_GROUP = "buyer_group"
    CAMPAIGN = "campaign"
    NUMBER = "number"
    CRITERION = "conversion_criterion"
    WEBHOOK = "webhook"
    DIRECTORY = "directory"
    CALLER_LIST = "caller_list"
    POSTBACK_KEY = "postback_key"


Action = Literal["create", "update", "delete"]
_AFID, _TID, _CID, _NAME = map(attrgetter, ("afid", "tid", "cid", "name"))
_SIGNS: Mapping[str, str] = {"create": "+", "update": "~", "delete": "-"}
_CHILDREN = frozenset({"numbers", "conversion_criteria", "webhooks", "caller_lists"})
_AS_IT_IS = frozenset({"paused", "api_key", "shard"})  # None in the file: not touched
_OWN_CHECKS = frozenset({"token", "secret"})
_SHOWN = (str, int, float, Decimal)
_UNSHOWN = frozenset(
    {"number", "url", "body", "fallback_number", "api_key", "no_target_message", "inbound_number"}
)


class Step(Struct, frozen=True, kw_only=True):
    """One change of one entity.

    Shape: home is where it stands: a campaign's cid, or for lists and keys the level and entity; old and new
    are None when there is none.
    """

    action: Action
    noun: Noun
    name: str
    home: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    old: Any = None
    new: Any = None

    def line(self) -> str:
        """The step as a line of the plan."""
        place = f" in {' '.join(self.home)}" if self.home else ""
        name = mask(self.name) if self.noun is Noun.NUMBER else self.name
        said = f": {', '.join(self.details)}" if self.details else ""
        return f"{_SIGNS[self.action]} {self.noun.replace('_', ' ')} {name}{place}{said}"


def compare(standing: Standing, wanted: Account, *, prune: bool) -> tuple[Step, ...]:
    """Every step, writings first, then deletions, each in its order.

    Shape: wanted is settled. Without prune nothing is deleted.
    """
    stored = standing.account or Account(company=Company(name=wanted.company.name))
    steps = [
        *_company(standing, wanted),
        *_matched(Noun.PUBLISHER, _AFID, olds=stored.publishers, news=wanted.publishers),
        *_matched(Noun.BUYER, _TID, olds=stored.buyers, news=wanted.buyers),
        *_matched(Noun.BUYER_GROUP, _NAME, olds=stored.buyer_groups, news=wanted.buyer_groups),
        *_matched(Noun.CAMPAIGN, _CID, olds=stored.campaigns, news=wanted.campaigns),
        *_in_campaigns(stored, wanted),
        *_numbers(stored, wanted),
        *_matched(Noun.DIRECTORY, _NAME, olds=stored.directories, news=wanted.directories),
        *_lists(standing, stored, wanted=wanted),
        *_keys(stored, wanted),
    ]
    order = list(Noun)
    writings = sorted(
        (step for step in steps if step.action != "delete"), key=lambda step: order.index(step.noun)
    )
    deletions = (step for step in steps if step.action == "delete") if prune else ()
    return (*writings, *sorted(deletions, key=lambda step: -order.index(step.noun)))


def _company(standing: Standing, wanted: Account) -> Iterator[Step]:
    old = None if standing.account is None else standing.account.company
    yield from _step(Noun.COMPANY, wanted.company.name, old=old, new=wanted.company)


def _in_campaigns(stored: Account, wanted: Account) -> Iterator[Step]:
    """Criteria and webhooks: each belongs to its campaign."""
    olds = {campaign.cid: campaign for campaign in stored.campaigns}
    for new in wanted.campaigns:
        old = olds.pop(new.cid, Campaign())
        yield from _inside(old, new)
    for old in olds.values():
        yield from _inside(old, Campaign(cid=old.cid))


def _inside(old: Campaign, new: Campaign) -> Iterator[Step]:
    home = (new.cid,)
    criteria = old.conversion_criteria
    yield from _matched(Noun.CRITERION, _NAME, olds=criteria, news=new.conversion_criteria, home=home)
    yield from _matched(Noun.WEBHOOK, _NAME, olds=old.webhooks, news=new.webhooks, home=home)


def _numbers(stored: Account, wanted: Account) -> Iterator[Step]:
    """Numbers are matched over all campaigns, as they may move."""
    left = {each.number: (each, campaign.cid) for campaign in stored.campaigns for each in campaign.numbers}
    for campaign in wanted.campaigns:
        for new in campaign.numbers:
            old, cid = left.pop(new.number, (None, campaign.cid))
            moved = () if cid == campaign.cid else (f"moved from {cid}",)
            yield from _step(Noun.NUMBER, new.number, old=old, new=new, home=(campaign.cid,), more=moved)
    for number, (old, cid) in left.items():
        yield from _step(Noun.NUMBER, number, old=old, home=(cid,))


def _lists(standing: Standing, stored: Account, *, wanted: Account) -> Iterator[Step]:
    """Numbers only seed a new list; one that holds numbers is not deleted."""
    olds = _lists_of(stored)
    for name, new in _lists_of(wanted).items():
        old = olds.pop(name, None)
        bare = replace(new, numbers=()) if old else new
        yield from _step(Noun.CALLER_LIST, name[2], old=old, new=bare, home=(name[0], name[1]))
    for name, old in olds.items():
        if name not in standing.full_lists:
            yield from _step(Noun.CALLER_LIST, name[2], old=old, home=(name[0], name[1]))


def _lists_of(account: Account) -> dict[ListName, CallerList]:
    return {(level, entity, each.name): each for level, entity, _, lists in listed(account) for each in lists}


def _keys(stored: Account, wanted: Account) -> Iterator[Step]:
    olds = {key_name(key): key for key in stored.postback_keys}
    for new in wanted.postback_keys:
        old = olds.pop(key_name(new), None)
        yield from _step(Noun.POSTBACK_KEY, new.name, old=old, new=new, home=_home(new))
    for old in olds.values():
        yield from _step(Noun.POSTBACK_KEY, old.name, old=old, home=_home(old))


def _home(key: PostbackKey) -> tuple[str, ...]:
    return (key.level,) if key.level is Level.COMPANY else (key.level, key.entity)


def _matched(
    noun: Noun,
    name_of: Callable[[Any], str],
    *,
    olds: Iterable[Struct],
    news: Iterable[Struct],
    home: tuple[str, ...] = (),
) -> Iterator[Step]:
    left = {name_of(old): old for old in olds}
    for new in news:
        yield from _step(noun, name_of(new), old=left.pop(name_of(new), None), new=new, home=home)
    for name, old in left.items():
        yield from _step(noun, name, old=old, home=home)


def _step(
    noun: Noun,
    name: str,
    *,
    old: Struct | None = None,
    new: Struct | None = None,
    home: tuple[str, ...] = (),
    more: tuple[str, ...] = (),
) -> Iterator[Step]:
    action: Action = "update"
    details = more
    if new is None:
        action = "delete"
    elif old is None:
        action = "create"
        seeds = len(getattr(new, "numbers", ())) if noun is Noun.CALLER_LIST else 0
        details = (f"{seeds} numbers",) if seeds else ()
    else:
        details = (*more, *_differences(old, new))
        if not details:
            return
    yield Step(action=action, noun=noun, name=name, home=home, details=details, old=old, new=new)


def _differences(old: Struct, new: Struct) -> Iterator[str]:
    for field in fields(new):
        name, was, now = field.name, getattr(old, field.name), getattr(new, field.name)
        if was == now or name in _CHILDREN or name in _OWN_CHECKS or (now is None and name in _AS_IT_IS):
            continue
        if isinstance(now, Struct) and type(was) is type(now):
            yield from (f"{name}.{each}" if name != "settings" else each for each in _differences(was, now))
        else:
            yield _difference(name, was, now=now)


def _difference(name: str, was: object, *, now: object) -> str:
    shown = all(value is None or isinstance(value, _SHOWN) for value in (was, now))
    if not shown or name in _UNSHOWN:
        return f"{name} changed"
    return f"{name} {_said(was)} -> {_said(now)}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else f"{value}"[:60] or '""'
