"""Compiled rules say what the rules say."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.routing.masks import MaskIndex, split_rules
from shared.domain.tags import Op, Rule, Tags, passes
from tests.support.plans import rules

KEYS = ("state", "age", "geo", "time", "absent")
VALUES = ("ny", "NY", "ca", "5", "05", "12", "07:30", "23:00", "us-ny", "x1", "")
_sizes = st.sampled_from(["5", "12", "-3", "07:30"])
_texts = st.sampled_from([value for value in VALUES if value])


def _rule(key: str, op: Op) -> st.SearchStrategy[Rule]:
    if op in {Op.EXISTS, Op.MISSING}:
        return st.just(Rule(key=key, op=op))
    if op in {Op.ABOVE, Op.BELOW, Op.LEAST, Op.MOST}:
        return _sizes.map(lambda value: Rule(key=key, op=op, value=value))
    if op is Op.IN:
        return st.lists(_texts, min_size=1, max_size=3).map(
            lambda some: Rule(key=key, op=op, value=",".join(some))
        )
    if op is Op.MATCHES:
        patterns = st.sampled_from(["^n", "[0-9]", "y$", "us-"])
        return patterns.map(lambda value: Rule(key=key, op=op, value=value))
    return _texts.map(lambda value: Rule(key=key, op=op, value=value))


some_rules = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(Op)).flatmap(lambda pair: _rule(*pair)), max_size=5
)
_value = st.sampled_from(VALUES)
some_tags: st.SearchStrategy[Tags] = st.dictionaries(
    st.sampled_from(KEYS[:-1]), _value | st.lists(_value, max_size=3).map(tuple), max_size=4
)


@given(st.lists(some_rules, max_size=70), st.lists(some_tags, min_size=1, max_size=4))
def test_a_bit_is_set_where_the_rules_pass(rule_lists: list[list[Rule]], pings: list[Tags]) -> None:
    """Met twice, a value is answered from memory: the same must come out."""
    index = MaskIndex(rule_lists)
    for tags in (*pings, *pings):
        mask = index.passing(tags)
        assert [bool(mask >> i & 1) for i in range(len(rule_lists))] == [passes(r, tags) for r in rule_lists]
        assert mask >> len(rule_lists) == 0


def test_nobodys_rules_are_no_bits() -> None:
    assert MaskIndex([]).passing({"state": "ny"}) == 0
    assert MaskIndex([(), ()]).passing({}) == 0b11


def test_more_values_than_are_remembered_are_judged_alike() -> None:
    index = MaskIndex([rules("age >= 10000")])
    passed = [index.passing({"age": str(age)}) for age in range(9_990, 20_100)]
    assert passed == [0] * 10 + [1] * 10_100
    assert len(index.columns[0].judged) <= 10_000
    assert index.passing({"age": "9990"}) == 0


@given(some_rules, some_tags, st.sampled_from(["ny", "5", None]))
def test_split_rules_together_say_what_the_whole_said(own: list[Rule], tags: Tags, state: str | None) -> None:
    left, holds = split_rules(own, {"state": state})
    elsewhere = {key: value for key, value in tags.items() if key != "state"}
    with_own = elsewhere if state is None else {**elsewhere, "state": state}
    assert all(rule.key != "state" for rule in left)
    assert (holds and passes(left, tags)) == passes(own, with_own)
