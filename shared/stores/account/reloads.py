"""What processes must load anew after a plan's steps.

Owns the rule of which step concerns whom. Must never raise the version itself.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.domain.account.standing import KeyName, Standing, key_name
from shared.domain.account.steps import Noun, Step
from shared.domain.keys import Level
from shared.domain.lists import Effect, effect_of
from shared.stores.account.saving_ids import Ids
from shared.stores.config import Change, routing_to
from shared.stores.postgres import Connection

_OF_COMPANY = frozenset({Noun.COMPANY, Noun.PUBLISHER, Noun.NUMBER, Noun.DIRECTORY})
_IN_CAMPAIGN = frozenset({Noun.CRITERION, Noun.WEBHOOK})


def own_changes(ids: Ids, key_ids: Mapping[KeyName, int], *, steps: Sequence[Step]) -> set[Change]:
    """What the steps say by themselves: keys, campaigns, and the company for what all campaigns share."""
    return {change for step in steps for change in _of_step(ids, key_ids, step=step)}


def _of_step(ids: Ids, key_ids: Mapping[KeyName, int], *, step: Step) -> Iterator[Change]:
    company = Change(scope="company", entity_id=ids.company_id)
    if step.noun is Noun.POSTBACK_KEY:
        yield Change(scope="key", entity_id=key_ids[key_name(step.new or step.old)])
    elif step.noun in _OF_COMPANY or (step.noun is Noun.CAMPAIGN and step.action != "update"):
        yield company
    elif step.noun is Noun.CAMPAIGN:
        yield Change(scope="campaign", entity_id=ids.of(Level.CAMPAIGN, step.name))
    elif step.noun in _IN_CAMPAIGN:
        yield Change(scope="campaign", entity_id=ids.of(Level.CAMPAIGN, step.home[0]))
    elif _is_list_in_effect(step) and step.home[0] == Level.CAMPAIGN:
        yield Change(scope="campaign", entity_id=ids.of(Level.CAMPAIGN, step.home[1]))
    elif _is_list_in_effect(step) and step.home[0] == Level.COMPANY:
        yield company


async def changes_by_routing(
    connection: Connection, standing: Standing, *, steps: Sequence[Step]
) -> frozenset[Change]:
    """The campaigns that route to what the steps change, as the routing stands: before, and again after,
    writing.

    Shape: entities that are only made now are routed to by campaigns that change themselves.
    """
    buyers = {step.name for step in steps if step.noun is Noun.BUYER}
    buyers.update(step.home[1] for step in steps if _is_list_in_effect(step) and step.home[0] == Level.BUYER)
    groups = {step.name for step in steps if step.noun is Noun.BUYER_GROUP}
    buyer_ids = [found for name in buyers if (found := standing.id_of(Level.BUYER, name))]
    group_ids = [found for name in groups if (found := standing.id_of(Level.BUYER_GROUP, name))]
    return await routing_to(connection, buyer_ids, group_ids=group_ids)


def _is_list_in_effect(step: Step) -> bool:
    return (
        step.noun is Noun.CALLER_LIST and step.action != "update" and effect_of(step.name) is not Effect.NONE
    )
