"""A file's account made comparable with the stored one.

Owns the cids that a file leaves out, and the rules that it writes with internal ids. Must never draw by
itself.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from shared.domain.account.entities import Account, Ask, Buyer, Campaign, Criterion, Webhook
from shared.domain.account.postback_keys import THE_COMPANY
from shared.domain.account.references import names_of
from shared.domain.account.standing import Standing
from shared.domain.account.system_ids import Rename, renamed
from shared.domain.keys import Level

Ruled = TypeVar("Ruled", Buyer, Campaign, Criterion, Webhook)


def settle(account: Account, standing: Standing, *, draw_cid: Callable[[], str]) -> Account:
    """The account with a cid for every campaign, customer-set ids in rules, and one word for its company."""

    names = names_of(account)

    def to_name(level: Level, given: str) -> str:
        return given if given in names[level] else standing.name_of(level, given) or given

    account = rewritten(_with_cids(account, standing, draw_cid=draw_cid), to_name)
    keys = (
        replace(each, entity=THE_COMPANY) if each.level is Level.COMPANY else each
        for each in account.postback_keys
    )
    return replace(account, postback_keys=tuple(keys))


def rewritten(account: Account, rename: Rename) -> Account:
    """The account with the ids that its rules name put as rename says."""
    return replace(
        account,
        buyers=tuple(_asks_rewritten(_rewritten(each, rename), rename) for each in account.buyers),
        campaigns=tuple(
            replace(
                _rewritten(each, rename),
                conversion_criteria=tuple(_rewritten(one, rename) for one in each.conversion_criteria),
                webhooks=tuple(_rewritten(one, rename) for one in each.webhooks),
            )
            for each in account.campaigns
        ),
    )


def _rewritten(entity: Ruled, rename: Rename) -> Ruled:
    return replace(entity, tags=tuple(renamed(rule, rename) for rule in entity.tags))


def _asks_rewritten(buyer: Buyer, rename: Rename) -> Buyer:
    if buyer.bid is None or buyer.bid.ask is None:
        return buyer

    def of(ask: Ask | None) -> Ask | None:
        if ask is None or not ask.accept_when:
            return ask
        return replace(ask, accept_when=renamed(ask.accept_when, rename))

    return replace(buyer, bid=replace(buyer.bid, ask=of(buyer.bid.ask), post=of(buyer.bid.post)))


def _with_cids(account: Account, standing: Standing, *, draw_cid: Callable[[], str]) -> Account:
    """A campaign without a cid is the stored one of its name, unless the file gives its cid to another."""
    stored = standing.account.campaigns if standing.account else ()
    given = {each.cid for each in account.campaigns}
    by_name = {each.name: each.cid for each in reversed(stored) if each.cid not in given}
    return replace(
        account,
        campaigns=tuple(
            each if each.cid else replace(each, cid=by_name.get(each.name) or draw_cid())
            for each in account.campaigns
        ),
    )
