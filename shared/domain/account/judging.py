"""What forbids a plan's steps, given how the account stands.

Owns the refusals that need the stored account: features, shards, and prunes that would drop numbers. Must
never look at tokens or at other companies: the store does.
"""

from collections.abc import Iterable, Iterator

from shared.domain.account.entities import Account
from shared.domain.account.fields import Problem
from shared.domain.account.standing import Standing, key_name
from shared.domain.account.steps import Noun, Step
from shared.domain.keys import Level, creatable

_LEVELS = {Noun.BUYER: Level.BUYER, Noun.CAMPAIGN: Level.CAMPAIGN}


def check_standing(account: Account, standing: Standing) -> Iterator[Problem]:
    """New keys that may not be made, and a shard that would have to move."""
    shard = account.company.shard
    if standing.account is not None and shard is not None and shard != standing.shard:
        yield Problem(
            path="company.shard", text="cannot be changed by a file: its hot state would stay behind"
        )
    for place, key in enumerate(account.postback_keys):
        if not key.name or key_name(key) in standing.key_ids:
            continue
        imported = key.token is not None
        refusal = creatable(key.kind, key.level, features=account.company.features, imported=imported)
        if refusal is not None:
            yield Problem(path=f"postback_keys[{place}].on", text=refusal)
        reuses = getattr(key.settings, "reuse_tags_on_repeat_calls", False)
        if reuses and not account.company.features.reuse_tags:
            path = f"postback_keys[{place}].reuse_tags_on_repeat_calls"
            yield Problem(path=path, text="needs the company's feature reuse_tags, which is off")


def check_prune(steps: Iterable[Step], standing: Standing) -> Iterator[Problem]:
    """Entities whose deletion would take a list that holds numbers along."""
    for step in steps:
        level = _LEVELS.get(step.noun)
        if step.action != "delete" or level is None:
            continue
        full = sorted(name for at, entity, name in standing.full_lists if (at, entity) == (level, step.name))
        if full:
            text = f"cannot be pruned: its caller list {full[0]} holds numbers; empty or move it first"
            yield Problem(path=f"{step.noun} {step.name}", text=text)
