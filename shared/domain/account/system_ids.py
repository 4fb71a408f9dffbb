"""Rules on `system_*_id` tags, which name an entity of ours.

Owns the change between the customer-set ids of a file and the internal ids of a stored rule. Must never
guess: an id that names nothing is for the caller to refuse.
Source: account.md, tag filter rules.
"""

from collections.abc import Callable, Mapping

from shared.domain.keys import Level
from shared.domain.tags import Op, Rule, read_rule, write_rule

SYSTEM_IDS: Mapping[str, Level] = {
    "system_buyer_id": Level.BUYER,
    "system_target_id": Level.BUYER,
    "system_buyer_group_id": Level.BUYER_GROUP,
    "system_target_group_id": Level.BUYER_GROUP,
    "system_campaign_id": Level.CAMPAIGN,
    "system_publisher_id": Level.PUBLISHER,
    "system_affiliate_id": Level.PUBLISHER,
    "system_source_id": Level.PUBLISHER,
}
COMPARED = frozenset({Op.EQUAL, Op.OTHER, Op.IN})
_BARE = frozenset({Op.EXISTS, Op.MISSING})

Rename = Callable[[Level, str], str]


def named_ids(rule: Rule) -> tuple[Level, tuple[str, ...]] | None:
    """What a rule names: the kind of entity, and ids. None when it is on another tag.

    Errors: ValueError when it compares ids as if they had a size or a pattern.
    """
    level = SYSTEM_IDS.get(rule.key)
    if level is None or rule.op in _BARE:
        return None
    if rule.op not in COMPARED:
        raise ValueError(f"the rule on {rule.key} compares an id: use == != or in")
    return level, tuple(rule.value.split(",")) if rule.op is Op.IN else (rule.value,)


def renamed(text: str, rename: Rename) -> str:
    """The rule with each id that it names put as rename says."""
    rule = read_rule(text)
    named = named_ids(rule)
    if named is None:
        return text
    level, ids = named
    value = ",".join(rename(level, each) for each in ids)
    return write_rule(Rule(key=rule.key, op=rule.op, value=value))
