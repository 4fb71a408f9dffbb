"""What a tag filter rule means, and how it is written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.tags import (
    Op,
    Rule,
    Tags,
    clock_tags,
    key_passes,
    passes,
    read_rule,
    read_wire,
    write_rule,
    write_wire,
)


def asked(*texts: str) -> list[Rule]:
    return [read_rule(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "key", "op", "value"),
    [
        ("caller_state == CA", "caller_state", "==", "CA"),
        ("caller_state==CA", "caller_state", "==", "CA"),
        ("  caller_state  ==  New York ", "caller_state", "==", "New York"),
        ("caller_state:CA", "caller_state", "==", "CA"),
        ("caller_state: CA", "caller_state", "==", "CA"),
        ("state:in", "state", "==", "in"),
        ("state:IN", "state", "==", "IN"),
        ("url:http://a.example/?b=c", "url", "==", "http://a.example/?b=c"),
        ("age != 18", "age", "!=", "18"),
        ("age > 18", "age", ">", "18"),
        ("age>=18", "age", ">=", "18"),
        ("age:>=25", "age", ">=", "25"),
        ("age < 18.5", "age", "<", "18.5"),
        ("age <= -3", "age", "<=", "-3"),
        ("time >= 09:00", "time", ">=", "09:00"),
        ("zip =~ ^90[0-9]{3}$", "zip", "=~", "^90[0-9]{3}$"),
        ("caller_state in NY, NJ ,CT", "caller_state", "in", "NY,NJ,CT"),
        ("caller_state:in NY,NJ", "caller_state", "in", "NY,NJ"),
        ("zip exists", "zip", "exists", ""),
        ("zip:missing", "zip", "missing", ""),
        ("lp__zip == =5", "lp__zip", "==", "=5"),
        ("system_buyer_id == alpha", "system_buyer_id", "==", "alpha"),
    ],
)
def test_reads_a_rule(text: str, key: str, op: str, value: str) -> None:
    rule = read_rule(text)
    assert (rule.key, rule.op, rule.value) == (key, op, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "state",
        "== CA",
        ":CA",
        "state CA",
        "state near CA",
        "state ==",
        "state:",
        "state in",
        "state in ,",
        "state in  , ,",
        "zip exists now",
        "age >= old",
        "age > 1e5",
        "age > NaN",
        "age > 1,000",
        "time >= 9",
        "time >= 25:00",
        "time < 12:60",
        "state = CA",
        "a b == c",
        "x" * 65 + " == a",
        "a == " + "x" * 513,
        "a == b\0",
        "a == b>>>",
        "a == <<<b",
        "zip =~ (",
        "zip =~ (a+)+",
    ],
)
def test_refuses_what_is_no_rule_with_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        read_rule(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_a_list_may_hold_a_states_zip_codes() -> None:
    zips = ",".join(str(number) for number in range(90_000, 92_700))
    assert passes(asked(f"caller_zip in {zips}"), {"caller_zip": "91234"})


def test_reads_and_writes_the_wires_notation() -> None:
    text = "<<<state:CA>>>,<<<age:>=25>>>,<<<zip:exists>>>,<<<city:in Reno,Elko>>>,<<<name:!=Bob>>>"
    rules = asked("state == CA", "age >= 25", "zip exists", "city in Reno,Elko", "name != Bob")
    assert list(read_wire(text)) == rules
    assert write_wire(rules) == text
    assert read_wire(" <<<state:CA>>> , <<<age:>=25>>> ") == tuple(rules[:2])


def test_no_rules_are_an_empty_text() -> None:
    assert read_wire("") == read_wire("  ") == ()
    assert write_wire(()) == ""


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(key="a", value="exists"), "<<<a:==exists>>>"),
        (Rule(key="a", value="in b"), "<<<a:==in b>>>"),
        (Rule(key="a", value=">5"), "<<<a:==>5>>>"),
        (Rule(key="a", value="b>"), "<<<a:b>>>>"),
    ],
)
def test_the_wire_keeps_values_that_look_like_operators(rule: Rule, text: str) -> None:
    assert write_wire([rule]) == text
    assert read_wire(text) == (rule,)


@pytest.mark.parametrize(
    "text", ["state:CA", "<<<>>>", "<<<state:CA", "state:CA>>>", "<<<a>>>", "<<<a:b>>>;<<<c:d>>>"]
)
def test_refuses_what_is_not_the_wires_notation(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_wire(text)


keys = st.text("abcdefgh_0123456789.[]-", min_size=1, max_size=12)
words = st.text("abc XYZ019=<>!~:,.inexists\u00e9", max_size=12).map(str.strip).filter(bool)
sizes = st.one_of(
    st.decimals(-999, 999, places=2).map(lambda number: f"{number:f}"),
    st.times().map(lambda time: f"{time:%H:%M}"),
)
entries = st.lists(st.text("abcXYZ 019", min_size=1).map(str.strip).filter(bool), min_size=1).map(",".join)
rules_strategy = st.one_of(
    st.builds(
        Rule,
        key=keys,
        op=st.sampled_from([Op.EQUAL, Op.OTHER]),
        value=words.filter(lambda word: "<<<" not in word and ">>>" not in word),
    ),
    st.builds(
        Rule,
        key=keys.filter(lambda key: key != "time"),
        op=st.sampled_from([Op.LEAST, Op.MOST, Op.ABOVE, Op.BELOW]),
        value=sizes,
    ),
    st.builds(Rule, key=keys, op=st.just(Op.IN), value=entries),
    st.builds(Rule, key=keys, op=st.sampled_from([Op.EXISTS, Op.MISSING])),
    st.builds(Rule, key=keys, op=st.just(Op.MATCHES), value=st.sampled_from(["^a.*b$", "(a|b)", r"\d{3}"])),
)


@given(rules_strategy)
def test_a_written_rule_reads_as_itself(rule: Rule) -> None:
    assert read_rule(write_rule(rule)) == rule


@given(st.lists(rules_strategy, max_size=5))
def test_rules_on_the_wire_read_as_themselves(rules: list[Rule]) -> None:
    assert list(read_wire(write_wire(rules))) == rules


@given(st.text(max_size=40))
def test_reading_either_gives_a_rule_or_a_value_error(text: str) -> None:
    for read in (read_rule, read_wire):
        try:
            read(text)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("rule", "value", "passing"),
    [
        ("a == CA", "ca", True),
        ("a == straße", "STRASSE", True),
        ("a == CA", "C", False),
        ("a == 5", "5.0", False),
        ("a != CA", "ca", False),
        ("a != CA", "NY", True),
        ("a in NY,nj", "NJ", True),
        ("a in NY,NJ", "N", False),
        ("a in NY,NJ", "NY,NJ", False),
        ("a =~ ^90", "90210", True),
        ("a =~ bev", "BEVERLY", True),
        ("a =~ ^bev$", "beverly", False),
        ("a > 18", "18.01", True),
        ("a > 18", "18", False),
        ("a >= 18", "18.0", True),
        ("a < 18", "9", True),
        ("a <= 18", "18", True),
        ("a <= 18", " 18 ", True),
        ("a < -1", "-1.5", True),
        ("a >= 18", "old", False),
        ("a >= 18", "", False),
        ("a >= 18", "NaN", False),
        ("a >= 18", "Infinity", False),
        ("a >= 18", "1e9", False),
        ("a >= 18", "1_900", False),
        ("a >= 18", "٢٠", False),
        ("a >= 18", "23:00", False),
        ("a >= 09:30", "10:00", True),
        ("a >= 09:30", "9:30", True),
        ("a < 09:30", "9:29", True),
        ("a <= 24:00", "23:59", True),
        ("a >= 09:30", "1000", False),
        ("a exists", "", True),
        ("a missing", "", False),
        ("a exists", "x", True),
        ("a missing", "x", False),
    ],
)
def test_compares_one_value(rule: str, value: str, passing: bool) -> None:
    assert passes(asked(rule), {"a": value}) is passing
    assert key_passes(asked(rule), value) is passing


@pytest.mark.parametrize(
    ("rule", "passing"),
    [
        ("a == CA", False),
        ("a != CA", True),
        ("a in CA,NY", False),
        ("a =~ .*", False),
        ("a > 1", False),
        ("a >= 1", False),
        ("a < 1", False),
        ("a <= 1", False),
        ("a exists", False),
        ("a missing", True),
    ],
)
def test_a_tag_that_is_missing_passes_only_otherwise_and_missing(rule: str, passing: bool) -> None:
    assert passes(asked(rule), {"b": "CA"}) is passing
    assert key_passes(asked(rule), None) is passing
    assert key_passes(asked(rule), ()) is passing


@pytest.mark.parametrize(
    ("texts", "tags", "passing"),
    [
        ((), {}, True),
        (("s == CA", "s == NY"), {"s": "NY"}, True),
        (("s == CA", "s == NY"), {"s": "TX"}, False),
        (("s == CA", "s == NY"), {}, False),
        (("s == CA", "s == NY", "s != NY"), {"s": "NY"}, False),
        (("s == CA", "s == NY", "s != NY"), {"s": "CA"}, True),
        (("s == CA", "s in NY,CA"), {"s": "CA"}, True),
        (("s == CA", "s in NY"), {"s": "CA"}, False),
        (("a >= 18", "a < 65"), {"a": "30"}, True),
        (("a >= 18", "a < 65"), {"a": "70"}, False),
        (("a != 1", "a != 2"), {"a": "3"}, True),
        (("a != 1", "a != 2"), {"a": "2"}, False),
        (("s == CA", "t == x"), {"s": "CA", "t": "x"}, True),
        (("s == CA", "t == x"), {"s": "CA", "t": "y"}, False),
        (("s == CA", "t missing"), {"s": "CA"}, True),
        (("a exists", "a missing"), {"a": "1"}, False),
        (("a != 1", "a missing"), {}, True),
        (("A == 1",), {"a": "1"}, False),
    ],
)
def test_rules_work_together(texts: tuple[str, ...], tags: Tags, passing: bool) -> None:
    assert passes(asked(*texts), tags) is passing


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ("geo == us-ny", True),
        ("geo == 212", True),
        ("geo == us-ca", False),
        ("geo != us-ca", True),
        ("geo != us-ny", False),
        ("geo in us-nj,us-ny", True),
        ("geo =~ ^us-", True),
        ("geo > 200", True),
        ("geo > 300", False),
        ("geo exists", True),
        ("geo missing", False),
    ],
)
def test_one_of_several_values_is_enough_but_for_not_equal(text: str, passing: bool) -> None:
    assert passes(asked(text), {"geo": ("us", "us-ny", "212")}) is passing


values = st.one_of(st.none(), words, sizes, st.lists(words, min_size=1, max_size=3).map(tuple))


@given(words, values)
def test_equal_and_not_equal_are_opposites(word: str, value: str | tuple[str, ...] | None) -> None:
    equal, other = Rule(key="a", value=word), Rule(key="a", op=Op.OTHER, value=word)
    assert key_passes([equal], value) is not key_passes([other], value)


@given(entries, values)
def test_in_means_equal_to_one_of_them(listed: str, value: str | tuple[str, ...] | None) -> None:
    one_by_one = [Rule(key="a", value=entry) for entry in listed.split(",")]
    assert key_passes([Rule(key="a", op=Op.IN, value=listed)], value) is key_passes(one_by_one, value)


@given(st.decimals(-999, 999, places=2), st.decimals(-999, 999, places=3))
def test_numbers_compare_by_size(left: Decimal, right: Decimal) -> None:
    tags = {"a": f"{left:f}"}
    assert passes([Rule(key="a", op=Op.ABOVE, value=f"{right:f}")], tags) is (left > right)
    assert passes([Rule(key="a", op=Op.MOST, value=f"{right:f}")], tags) is (left <= right)


@given(st.lists(rules_strategy, max_size=6), st.dictionaries(keys, words, max_size=4))
def test_the_parts_for_each_key_make_up_the_whole(rules: list[Rule], tags: dict[str, str]) -> None:
    by_key = [
        key_passes([rule for rule in rules if rule.key == key], tags.get(key))
        for key in {r.key for r in rules}
    ]
    assert passes(rules, tags) is all(by_key)


@pytest.mark.parametrize(
    ("now_ms", "zone", "tags"),
    [
        (0, "UTC", {"hour": "0", "day_of_week": "4", "time": "00:00"}),
        (1_718_548_199_999, "America/New_York", {"hour": "10", "day_of_week": "0", "time": "10:29"}),
        (1_718_548_200_000, "America/New_York", {"hour": "10", "day_of_week": "0", "time": "10:30"}),
        (1_718_548_200_000, "Asia/Kolkata", {"hour": "20", "day_of_week": "0", "time": "20:00"}),
        (1_718_548_200_000, "Pacific/Auckland", {"hour": "2", "day_of_week": "1", "time": "02:30"}),
    ],
)
def test_the_clock_gives_every_call_its_tags(now_ms: int, zone: str, tags: dict[str, str]) -> None:
    assert clock_tags(now_ms, zone) == tags


def test_the_clocks_tags_are_made_once_a_minute() -> None:
    first = clock_tags(1_718_548_200_000, "America/Denver")
    assert clock_tags(1_718_548_259_999, "America/Denver") is first
    assert clock_tags(1_718_548_260_000, "America/Denver") is not first
    assert clock_tags(1_718_548_200_000, "America/Denver") == first
