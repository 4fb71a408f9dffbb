"""A plan's steps as the audit log tells them.

Owns what is left out or masked of an entity. Must never let a token, a secret or a header's value through.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.domain.account.standing import KeyName, key_name
from shared.domain.account.steps import Noun, Step
from shared.domain.keys import Level
from shared.domain.tokens import Hidden
from shared.stores.account.saving_ids import Ids
from shared.stores.audit import Deed

_MASK = "***"
_CHILDREN = frozenset({"conversion_criteria", "webhooks", "caller_lists"})
_LEVELS = {
    Noun.PUBLISHER: Level.PUBLISHER,
    Noun.BUYER: Level.BUYER,
    Noun.BUYER_GROUP: Level.BUYER_GROUP,
    Noun.CAMPAIGN: Level.CAMPAIGN,
}


def deed_of(step: Step, ids: Ids, *, key_ids: Mapping[KeyName, int]) -> Deed:
    """One step, with its entity before and after."""
    return Deed(
        action=step.action,
        entity=step.noun,
        entity_id=_id_of(step, ids, key_ids=key_ids),
        before=_told(step, step.old),
        after=_told(step, step.new),
    )


def _id_of(step: Step, ids: Ids, *, key_ids: Mapping[KeyName, int]) -> int | None:
    if step.noun is Noun.COMPANY:
        return ids.company_id
    if step.noun is Noun.POSTBACK_KEY:
        return key_ids[key_name(step.new or step.old)]
    if step.noun is Noun.DIRECTORY:
        return ids.directories[step.name]
    level = _LEVELS.get(step.noun)
    return None if level is None else ids.of(level, step.name)


def _told(step: Step, entity: Any) -> dict[str, Any] | None:
    if entity is None:
        return None
    plain: dict[str, Any] = msgspec.to_builtins(entity, enc_hook=_hidden)
    told = {
        name: value
        for name, value in plain.items()
        if name not in _CHILDREN and value not in (None, "", [], {})
    }
    if step.noun in {Noun.CALLER_LIST, Noun.CAMPAIGN} and "numbers" in told:
        told["numbers"] = len(told["numbers"])
    if step.home:
        told["in"] = list(step.home)
    masked: dict[str, Any] = _masked(told)
    return masked


def _masked(value: Any, name: str = "") -> Any:
    """Header values may be credentials, and so may what stands in an address or a body."""
    if isinstance(value, dict):
        return {key: _MASK if name == "headers" else _masked(each, key) for key, each in value.items()}
    return _MASK if name in {"url", "body"} and value else value


def _hidden(value: object) -> str:
    assert isinstance(value, Hidden)
    return _MASK
