"""The steps of a plan, written to Postgres.

Owns the order in which a company's rows are written and deleted. Must never decide what changes, commit, or
raise the version. New ids are taken first, as rules and keys may name entities that are made with them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from msgspec import Struct

from shared.domain.account.standing import KeyName, Standing, key_name
from shared.domain.account.steps import Noun, Step
from shared.domain.tokens import Hidden
from shared.stores.account import saving_campaigns as campaigns
from shared.stores.account import saving_entities as entities
from shared.stores.account.saving_company import (
    delete_keys,
    insert_company,
    save_key,
    save_lists,
    update_company,
)
from shared.stores.account.saving_ids import Ids, Writing, take_ids
from shared.stores.keys import MadeKey, Vault
from shared.stores.postgres import Connection

Save: TypeAlias = Callable[[Writing, Sequence[Step]], Awaitable[None]]

_SAVES: Mapping[Noun, Save] = {
    Noun.PUBLISHER: entities.save_publishers,
    Noun.BUYER: entities.save_buyers,
    Noun.BUYER_GROUP: entities.save_groups,
    Noun.CAMPAIGN: campaigns.save_campaigns,
    Noun.NUMBER: campaigns.save_numbers,
    Noun.CRITERION: campaigns.save_criteria,
    Noun.WEBHOOK: campaigns.save_webhooks,
    Noun.DIRECTORY: entities.save_directories,
    Noun.CALLER_LIST: save_lists,
}
_DELETES: Mapping[Noun, Save] = {
    Noun.CALLER_LIST: save_lists,
    Noun.DIRECTORY: entities.delete_directories,
    Noun.WEBHOOK: campaigns.delete_webhooks,
    Noun.CRITERION: campaigns.delete_criteria,
    Noun.NUMBER: campaigns.delete_numbers,
    Noun.CAMPAIGN: campaigns.delete_campaigns,
    Noun.BUYER_GROUP: entities.delete_groups,
    Noun.BUYER: entities.delete_buyers,
    Noun.PUBLISHER: entities.delete_publishers,
}


class CreatedKey(Struct, frozen=True, kw_only=True):
    """A key that was made, with what is told once."""

    name: str
    home: tuple[str, ...]
    made: MadeKey
    imported: bool


class Saved(Struct, frozen=True, kw_only=True):
    """What came of writing. Shape: api_key is set when it was drawn; key_ids by what keys are matched by."""

    ids: Ids
    key_ids: Mapping[KeyName, int]
    created: tuple[CreatedKey, ...] = ()
    api_key: Hidden | None = None


async def save_steps(
    connection: Connection, vault: Vault, *, standing: Standing, steps: Sequence[Step]
) -> Saved:
    """Write the steps, in their order."""
    company_id, api_key = await _save_company(connection, vault, standing=standing, steps=steps)
    writing = Writing(connection=connection, vault=vault, ids=Ids(company_id, standing))
    key_ids = dict(standing.key_ids)
    await take_ids(writing, steps)
    for (action, noun), group in groupby(steps, lambda step: (step.action == "delete", step.noun)):
        if noun in _SAVES:
            await (_DELETES if action else _SAVES)[noun](writing, list(group))
        elif noun is Noun.POSTBACK_KEY and action:
            await delete_keys(connection, [key_ids[key_name(step.old)] for step in group])
    created = await _save_keys(writing, steps, key_ids=key_ids)
    return Saved(ids=writing.ids, key_ids=key_ids, created=created, api_key=api_key)


async def _save_company(
    connection: Connection, vault: Vault, *, standing: Standing, steps: Sequence[Step]
) -> tuple[int, Hidden | None]:
    for step in steps:
        if step.noun is Noun.COMPANY and step.action == "create":
            return await insert_company(connection, vault, company=step.new)
        if step.noun is Noun.COMPANY:
            await update_company(connection, vault, company_id=standing.company_id, company=step.new)
    return standing.company_id, None


async def _save_keys(
    writing: Writing, steps: Sequence[Step], *, key_ids: dict[KeyName, int]
) -> tuple[CreatedKey, ...]:
    created = []
    for step in steps:
        if step.noun is not Noun.POSTBACK_KEY or step.action == "delete":
            continue
        made = await save_key(writing, step.new, stored=key_ids)
        if made is not None:
            imported = step.new.token is not None
            created.append(CreatedKey(name=step.name, home=step.home, made=made, imported=imported))
    return tuple(created)
