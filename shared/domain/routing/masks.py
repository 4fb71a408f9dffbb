"""Which of many rule lists pass, as the bits of one int.

Owns the compilation of tag rules to bitmasks: eligible = AND of one int for each tag that any rule looks at, so a
thousand buyers cost about what ten do. Must never know what a bit stands for.
"""

from collections.abc import Mapping, Sequence

from shared.domain.tags import Rule, Tags, key_passes

_MEMO_BOUND = 10_000

Value = str | tuple[str, ...] | None


class Column:
    """One tag that some rules look at.

    Shape: owners are (bit, rules on this tag); judged keeps the mask of each value met, at most 10,000 of them.
    """

    __slots__ = ("judged", "key", "owners", "unconcerned")

    def __init__(self, key: str, owners: tuple[tuple[int, tuple[Rule, ...]], ...], *, everyone: int) -> None:
        self.key = key
        self.owners = owners
        self.unconcerned = everyone & ~sum(bit for bit, _ in owners)
        self.judged: dict[Value, int] = {}

    def judge(self, value: Value) -> int:
        """The rule lists that this value suits. Cost: O(owners), once for each value."""
        mask = self.unconcerned
        for bit, rules in self.owners:
            if key_passes(rules, value):
                mask |= bit
        if len(self.judged) >= _MEMO_BOUND:
            self.judged.clear()
        self.judged[value] = mask
        return mask


class MaskIndex:
    """Rule lists by their place, compiled."""

    __slots__ = ("columns", "everyone")

    def __init__(self, rule_lists: Sequence[Sequence[Rule]]) -> None:
        self.everyone = (1 << len(rule_lists)) - 1
        by_key: dict[str, dict[int, list[Rule]]] = {}
        for place, rules in enumerate(rule_lists):
            for rule in rules:
                by_key.setdefault(rule.key, {}).setdefault(1 << place, []).append(rule)
        self.columns = tuple(
            Column(key, tuple((bit, tuple(rules)) for bit, rules in owners.items()), everyone=self.everyone)
            for key, owners in by_key.items()
        )

    def passing(self, tags: Tags) -> int:
        """The bits of the rule lists that all pass. Cost: a look-up for each tag that rules look at."""
        mask = self.everyone
        for column in self.columns:
            value = tags.get(column.key)
            judged = column.judged.get(value)
            mask &= column.judge(value) if judged is None else judged
        return mask


def split_rules(rules: Sequence[Rule], own: Mapping[str, str | None]) -> tuple[tuple[Rule, ...], bool]:
    """The rules on a ping's tags, and whether those on a candidate's own tags pass.

    Shape: own holds the tags that name the candidate itself, known before any ping comes.
    """
    by_key: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.key in own:
            by_key.setdefault(rule.key, []).append(rule)
    holds = all(key_passes(tuple(of_key), own[key]) for key, of_key in by_key.items())
    return tuple(rule for rule in rules if rule.key not in own), holds
