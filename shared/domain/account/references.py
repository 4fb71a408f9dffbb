"""What the entities of an account say of one another.

Owns the checks for ids that name nothing and for names given twice. Must never stop at the first, nor judge a
value that could not be read: it stands empty here, and has its own problem already.
"""

from collections.abc import Iterable, Iterator, Mapping

from shared.domain.account.entities import Account, CallerList, PostbackKey
from shared.domain.account.fields import Problem
from shared.domain.account.postback_keys import THE_COMPANY
from shared.domain.account.standing import Standing, key_name
from shared.domain.account.system_ids import named_ids
from shared.domain.keys import Level
from shared.domain.tags import read_rule

Names = Mapping[Level, frozenset[str]]


def check_references(account: Account, standing: Standing) -> list[Problem]:
    """Every name given twice and every id that names nothing. Shape: standing knows the internal ids."""
    names = names_of(account)
    return [*_doubled(account), *_dangling(account, names), *_rules(account, names, standing=standing)]


def names_of(account: Account) -> Names:
    """The customer-set ids of a file's entities, by level."""
    return {
        Level.COMPANY: frozenset({THE_COMPANY, account.company.name}),
        Level.PUBLISHER: frozenset(each.afid for each in account.publishers),
        Level.BUYER: frozenset(each.tid for each in account.buyers),
        Level.BUYER_GROUP: frozenset(each.name for each in account.buyer_groups),
        Level.CAMPAIGN: frozenset(each.cid for each in account.campaigns if each.cid),
    }


def listed(account: Account) -> Iterator[tuple[Level, str, str, tuple[CallerList, ...]]]:
    """Every entity that may have caller lists: its level, customer-set id, path, and lists."""
    yield Level.COMPANY, THE_COMPANY, "company", account.company.caller_lists
    for place, buyer in enumerate(account.buyers):
        yield Level.BUYER, buyer.tid, f"buyers[{place}]", buyer.caller_lists
    for place, campaign in enumerate(account.campaigns):
        yield Level.CAMPAIGN, campaign.cid, f"campaigns[{place}]", campaign.caller_lists


def _doubled(account: Account) -> Iterator[Problem]:
    yield from _twice("publishers", "afid", names=(each.afid for each in account.publishers))
    yield from _twice("buyers", "tid", names=(each.tid for each in account.buyers))
    yield from _twice("buyer_groups", "name", names=(each.name for each in account.buyer_groups))
    yield from _twice("campaigns", "cid", names=(each.cid for each in account.campaigns))
    unnamed = ["" if each.cid else each.name for each in account.campaigns]
    yield from _twice("campaigns", "name", names=unnamed)
    yield from _twice("directories", "name", names=(each.name for each in account.directories))
    for place, directory in enumerate(account.directories):
        yield from _twice(
            f"directories[{place}].entries", "name", names=(each.name for each in directory.entries)
        )
    for place, group in enumerate(account.buyer_groups):
        yield from _twice(f"buyer_groups[{place}].buyers", "", names=group.buyers)
    for _, _, path, lists in listed(account):
        yield from _twice(f"{path}.caller_lists", "name", names=(each.name for each in lists))
    yield from _doubled_in_campaigns(account)
    yield from _doubled_keys(account.postback_keys)


def _doubled_in_campaigns(account: Account) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, campaign in enumerate(account.campaigns):
        path = f"campaigns[{place}]"
        criteria = (each.name for each in campaign.conversion_criteria)
        yield from _twice(f"{path}.conversion_criteria", "name", names=criteria)
        yield from _twice(f"{path}.webhooks", "name", names=(each.name for each in campaign.webhooks))
        yield from _twice(f"{path}.routing.buyers", "tid", names=(row.tid for row in campaign.routing.buyers))
        yield from _twice(f"{path}.routing.groups", "", names=campaign.routing.groups)
        for spot, number in enumerate(campaign.numbers):
            if number.number in seen:
                yield Problem(path=f"{path}.numbers[{spot}].number", text="stands in the file twice")
            seen.update({number.number} - {""})


def _doubled_keys(keys: tuple[PostbackKey, ...]) -> Iterator[Problem]:
    seen = set()
    tokens = set()
    for place, key in enumerate(keys):
        if not key.name or not key.entity:
            continue
        if key_name(key) in seen:
            yield Problem(path=f"postback_keys[{place}].name", text="is that of another such key there")
        seen.add(key_name(key))
        if key.token in tokens:
            yield Problem(path=f"postback_keys[{place}].token", text="is that of another key in the file")
        tokens.update({key.token} - {None})


def _twice(path: str, field: str, *, names: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            where = f"{path}[{place}].{field}".rstrip(".")
            yield Problem(path=where, text=f"is given twice: {name}")
        seen.update({name} - {""})


def _dangling(account: Account, names: Names) -> Iterator[Problem]:
    for place, group in enumerate(account.buyer_groups):
        for spot, tid in enumerate(group.buyers):
            yield from _missing(f"buyer_groups[{place}].buyers[{spot}]", Level.BUYER, name=tid, names=names)
    for place, campaign in enumerate(account.campaigns):
        path = f"campaigns[{place}]"
        for spot, row in enumerate(campaign.routing.buyers):
            yield from _missing(f"{path}.routing.buyers[{spot}].tid", Level.BUYER, name=row.tid, names=names)
        for spot, name in enumerate(campaign.routing.groups):
            yield from _missing(f"{path}.routing.groups[{spot}]", Level.BUYER_GROUP, name=name, names=names)
        for spot, number in enumerate(campaign.numbers):
            afid = number.publisher or ""
            yield from _missing(f"{path}.numbers[{spot}].publisher", Level.PUBLISHER, name=afid, names=names)
    for place, key in enumerate(account.postback_keys):
        yield from _of_key(f"postback_keys[{place}]", key, account=account, names=names)


def _of_key(path: str, key: PostbackKey, *, account: Account, names: Names) -> Iterator[Problem]:
    yield from _missing(f"{path}.on.{key.level}", key.level, name=key.entity, names=names)
    yield from _missing(f"{path}.publisher", Level.PUBLISHER, name=key.publisher, names=names)
    yield from _missing(f"{path}.campaign", Level.CAMPAIGN, name=key.campaign, names=names)
    if key.directory and key.directory not in {each.name for each in account.directories}:
        yield Problem(path=f"{path}.directory", text=f"names no directory: {key.directory}")
    if key.publisher and key.level is Level.PUBLISHER:
        yield Problem(path=f"{path}.publisher", text="is for campaign keys: this one stands on a publisher")
    if key.campaign and key.level is Level.CAMPAIGN:
        yield Problem(path=f"{path}.campaign", text="is for publisher keys: this one stands on a campaign")
    number = getattr(key.settings, "inbound_number", "")
    campaign = key.entity if key.level is Level.CAMPAIGN else key.campaign
    allowed = {
        each.number
        for every in account.campaigns
        for each in every.numbers
        if not campaign or every.cid == campaign
    }
    if number and number not in allowed:
        yield Problem(path=f"{path}.inbound_number", text="is no number of the campaign")


def _missing(path: str, level: Level, *, name: str, names: Names) -> Iterator[Problem]:
    if name and name not in names[level]:
        yield Problem(path=path, text=f"names no {level.replace('_', ' ')}: {name}")


def _rules(account: Account, names: Names, *, standing: Standing) -> Iterator[Problem]:
    for path, text in _all_rules(account):
        if not text:
            continue
        try:
            named = named_ids(read_rule(text))
        except ValueError as mistake:
            yield Problem(path=path, text=str(mistake))
            continue
        level, ids = named or (Level.COMPANY, ())
        for each in ids:
            if each not in names[level] and standing.name_of(level, each) not in names[level]:
                yield from _missing(path, level, name=each, names=names)


def _all_rules(account: Account) -> Iterator[tuple[str, str]]:
    for place, buyer in enumerate(account.buyers):
        yield from _at(f"buyers[{place}].tags", buyer.tags)
        if buyer.bid is not None and buyer.bid.ask is not None:
            yield f"buyers[{place}].bid.accept_when", buyer.bid.ask.accept_when
        if buyer.bid is not None and buyer.bid.post is not None:
            yield f"buyers[{place}].bid.post.accept_when", buyer.bid.post.accept_when
    for place, campaign in enumerate(account.campaigns):
        path = f"campaigns[{place}]"
        yield from _at(f"{path}.tags", campaign.tags)
        for spot, criterion in enumerate(campaign.conversion_criteria):
            yield from _at(f"{path}.conversion_criteria[{spot}].tags", criterion.tags)
        for spot, webhook in enumerate(campaign.webhooks):
            yield from _at(f"{path}.webhooks[{spot}].tags", webhook.tags)


def _at(path: str, rules: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for place, rule in enumerate(rules):
        yield f"{path}[{place}]", rule
