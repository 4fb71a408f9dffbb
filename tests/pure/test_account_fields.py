"""The fields of a mapping: read once each, mistakes noted with their paths, the rest told as unknown."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import values
from shared.domain.account.fields import Doubled, Fields, Problem
from shared.domain.tokens import Hidden


def a_mapping(value: object, path: str = "it") -> tuple[Fields, list[Problem]]:
    problems: list[Problem] = []
    return Fields(value, path, problems=problems), problems


def told(problems: list[Problem]) -> list[str]:
    return [f"{each.path}: {each.text}" for each in problems]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (5, "5"),
        (Decimal("1.10"), "1.10"),
        (None, "standard"),
        ("", "standard"),
        ("é" * 200, "é" * 200),
    ],
)
def test_a_text(value: object, text: str) -> None:
    fields, problems = a_mapping({"name": value})
    assert (fields.text("name", "standard"), problems) == (text, [])


@pytest.mark.parametrize("value", [True, [], {}, b"x", "a" * 201, "a\0b"])
def test_no_text(value: object) -> None:
    fields, problems = a_mapping({"name": value})
    assert fields.text("name", "standard") == "standard"
    assert [each.path for each in problems] == ["it.name"]


def test_a_needed_text_that_is_missing() -> None:
    fields, problems = a_mapping({"other": ""})
    assert fields.text("name", needed=True) == fields.text("other", needed=True) == ""
    assert told(problems) == ["it.name: is needed", "it.other: is needed"]


@given(st.integers(-(2**70), 2**70), st.integers(-50, 50), st.integers(-50, 50))
def test_a_whole_number_in_its_range(value: int, least: int, most: int) -> None:
    fields, problems = a_mapping({"n": value})
    found = fields.whole_or_none("n", least=least, most=most)
    assert (
        (found == value and not problems)
        if least <= value <= most
        else (found is None and len(problems) == 1)
    )


@pytest.mark.parametrize("value", [True, False, "5", Decimal(5), [], {}, 1.5])
def test_no_whole_number(value: object) -> None:
    fields, problems = a_mapping({"n": value})
    assert fields.whole("n", 7) == 7
    assert told(problems) == ["it.n: is a whole number"]


@pytest.mark.parametrize("value", [1, 0, "true", "yes", []])
def test_neither_true_nor_false(value: object) -> None:
    fields, problems = a_mapping({"b": value})
    assert fields.truth("b", default=True)
    assert told(problems) == ["it.b: is true or false"]


def test_true_false_and_unsaid() -> None:
    fields, problems = a_mapping({"yes": True, "no": False, "null": None})
    assert [fields.truth_or_none(name) for name in ("yes", "no", "null", "absent")] == [
        True,
        False,
        None,
        None,
    ]
    assert problems == []


def test_a_choice_is_needed_without_a_default() -> None:
    fields, problems = a_mapping({"a": "x", "b": "z"})
    choices = [fields.choice(name, ("x", "y")) for name in ("a", "b", "c")]
    assert choices == ["x", "x", "x"], "a stand-in that can be worked with"
    assert told(problems) == ["it.b: is one of x, y", "it.c: is needed"]
    assert fields.choice("c", ("x", "y"), default="y") == "y"


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (5, Decimal(5)),
        ("12.50", Decimal("12.5")),
        (Decimal("0.0001"), Decimal("0.0001")),
        (None, None),
        (0, Decimal(0)),
    ],
)
def test_money(value: object, amount: Decimal | None) -> None:
    fields, problems = a_mapping({"m": value})
    assert (fields.money("m"), problems) == (amount, [])


@pytest.mark.parametrize("value", ["1e3", "NaN", -1, "1,50", Decimal("1.23456"), 10**9, True, [], 12.5])
def test_no_money(value: object) -> None:
    fields, problems = a_mapping({"m": value})
    assert fields.money("m") is None
    assert [each.path for each in problems] == ["it.m"]


def test_what_nobody_asked_for_is_unknown() -> None:
    fields, problems = a_mapping({"name": "a", "nmae": "b", "zzz": 1})
    fields.text("name")
    fields.close()
    assert told(problems) == ["it.nmae: is no field here: did you mean name?", "it.zzz: is no field here"]


def test_what_cannot_be_judged_is_pardoned() -> None:
    fields, problems = a_mapping({"zzz": 1})
    fields.pardon()
    fields.close()
    assert problems == []


@pytest.mark.parametrize("value", ["text", 5, [1], True])
def test_no_mapping(value: object) -> None:
    fields, problems = a_mapping(value)
    assert fields.text("name", "standard") == "standard"
    fields.close()
    assert told(problems) == ["it: is a mapping of fields"]


def test_a_name_given_twice() -> None:
    doubled = Doubled({"a": 1})
    doubled.doubled = ("a",)
    _, problems = a_mapping(doubled)
    assert told(problems) == ["it.a: is given twice"]


def test_lists_of_mappings_have_places() -> None:
    fields, problems = a_mapping({"rows": [{"n": 1}, {"n": "x"}, None, 5, {"m": 2}]}, path="")
    assert fields.each("rows", lambda row: row.whole("n", 0)) == (1, 0, 0, 0, 0)
    assert told(problems) == [
        "rows[1].n: is a whole number",
        "rows[3]: is a mapping of fields",
        "rows[4].m: is no field here",
    ]


def test_lists_of_texts_keep_their_places() -> None:
    fields, problems = a_mapping({"rules": ["a == 1", "b >", 5, None, "c exists"]})
    assert fields.texts("rules", values.rule) == ("a == 1", "", "", "", "c exists")
    assert [each.path for each in problems] == ["it.rules[1]", "it.rules[2]", "it.rules[3]"]


def test_no_list() -> None:
    fields, problems = a_mapping({"rows": {"a": 1}, "texts": "a"})
    assert fields.each("rows", lambda _: 1) == ()
    assert fields.texts("texts") == ()
    assert told(problems) == ["it.rows: is a list", "it.texts: is a list"]


def test_names_and_texts() -> None:
    fields, problems = a_mapping({"headers": {"A": "b", "C": 5, "D": True}})
    assert fields.named_texts("headers") == {"A": "b", "C": "5", "D": ""}
    assert told(problems) == ["it.headers.D: is a text: put it in quotes"]
    many, problems = a_mapping({"tags": {str(number): "x" for number in range(101)}})
    assert len(many.named_texts("tags")) == 100
    assert told(problems) == ["it.tags: has at most 100 entries"]


@pytest.mark.parametrize(
    ("reader", "good", "bad"),
    [
        (
            values.number,
            {"+18005550111": "+18005550111", "(800) 555-0111": "+18005550111"},
            ["555", "sip:a@b", ""],
        ),
        (
            values.destination,
            {"sip:a@b.test": "sip:a@b.test", "8005550111": "+18005550111"},
            ["[number]", "sip:a", "a@b"],
        ),
        (
            values.buyer_number,
            {"[number]": "[number]", "sips:a@b": "sips:a@b"},
            ["[num ber]", "[]", "sip:<a>@b"],
        ),
        (
            values.url,
            {
                each: each
                for each in ("https://a.test", "http://127.0.0.1:8090/c?k=[click_id]", "http://[::1]/")
            },
            [
                "",
                "a.test",
                "ftp://a",
                "https://",
                "https://a:99999/",
                "https://a/ b",
                "http://[x",
                "https://a/" + "x" * 2048,
            ],
        ),
        (values.rule, {"age>=5": "age >= 5", "state:NY": "state == NY"}, ["age >= young", "a =~ (b+)+$", ""]),
        (values.list_name, {"suppressed_dnc-1": "suppressed_dnc-1"}, ["", "a b", "a/b", "x" * 65]),
        (values.currency, {"USD": "USD"}, ["usd", "US", "DOLLAR", "U$D"]),
        (
            values.token,
            {"0123456789abcdef": Hidden("0123456789abcdef")},
            ["short", "with space 0123456", "pbk_rtb_" + "0" * 36],
        ),
        (values.secret, {"2" * 24: Hidden("2" * 24)}, ["2" * 23, "0" * 24, ""]),
    ],
)
def test_values_that_mean_something(reader: Any, good: dict[str, object], bad: list[str]) -> None:
    assert {text: reader(text) for text in good} == good
    for text in bad:
        with pytest.raises(ValueError, match=r"^\S.*[^.]$"):
            reader(text)
