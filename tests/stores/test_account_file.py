"""The text of an account file: plain values, nothing lost, nothing dangerous."""

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.paths import DEMO_ACCOUNT
from shared.domain.account.fields import Doubled
from shared.domain.account.reading import read_account
from shared.errors import OperatorError
from shared.stores.account.file import read_file, read_text
from tests.support.account_trees import SMALL, judged, problems_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25.00", Decimal("25.00")),
        ("1.10", Decimal("1.1")),
        ("90", 90),
        ("-3", -3),
        ("0730", "0730"),
        ("0", 0),
        ("+18005550111", "+18005550111"),
        ("18005550111", 18005550111),
        ("12:30", "12:30"),
        ("1e3", "1e3"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        (".5", ".5"),
        ("2026-01-01", "2026-01-01"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ('"25.00"', "25.00"),
        ("'true'", "true"),
        ("[a, 1, 2.5]", ["a", 1, Decimal("2.5")]),
        ("9" * 30, "9" * 30),
    ],
)
def test_a_plain_value_means_what_it_looks_like(text: str, value: object) -> None:
    found = read_text(f"it: {text}")
    assert found == {"it": value}
    assert isinstance(found, dict)
    assert type(found["it"]) is type(value)


def test_on_is_a_word_and_a_key_finds_its_entity() -> None:
    key = "{name: k, kind: rtb, on: {campaign: auto}}"
    tree = read_text(f"company: {{name: A}}\ncampaigns: [{{cid: auto}}]\npostback_keys: [{key}]")
    assert problems_of(tree) == {}


@pytest.mark.parametrize(
    "text",
    ["a: &x [1]\nb: *x", "a: &x {b: 1}\nc: {<<: *x}"],
)
def test_aliases_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="alias"):
        read_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [echo]",
        "a: !!python/name:os.system ",
        "a: !mine x",
        "a: !!binary aGk=",
        "a: !!set {b}",
        "a: !!int abc",
        "a: !!float x",
        "a: [1, 2",
        "a: 'b",
        "a: \x01",
        "? [1]\n: 2",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n---\nb: 2",
        "\t- a",
        "- " * 60 + "1",
        "[" * 5000 + "]" * 5000,
    ],
)
def test_what_is_no_plain_yaml_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no YAML|goes deeper|has a field without)"):
        read_text(text)


@pytest.mark.parametrize(
    "text", ["{", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"a": 1,}', "a: 1", ""]
)
def test_what_is_no_json_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no JSON|goes deeper|holds)"):
        read_text(text, as_json=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"company": {"name": "\\ud800"}}',
        '{"company": {"\\udfff": "A"}}',
        '{"company": {"name": ["\\ud83d x"]}}',
        '{"a\\u0000b": 1}',
        '{"a": 1e999999999999999999999}',
        '{"a": -1.5e-999999999999999999999}',
    ],
)
def test_what_no_store_could_hold_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds"):
        read_text(text, as_json=True)
    if "\\u" in text:
        with pytest.raises(ValueError, match=r"^holds"):
            read_text(text.replace("\\u0000", "\\0"))


@pytest.mark.parametrize(
    ("text", "as_json"), [("a: 1\nb: 2\na: 3", False), ('{"a": 1, "b": 2, "a": 3}', True)]
)
def test_a_name_given_twice_is_told(text: str, as_json: bool) -> None:
    found = read_text(text, as_json=as_json)
    assert isinstance(found, Doubled)
    assert found.doubled == ("a",)


def test_a_field_given_twice_is_a_problem_with_its_path() -> None:
    _, problems = read_account(
        read_text("company: {name: A, name: B}\nbuyers: [{tid: a, number: '[n]', tid: b}]")
    )
    assert [(each.path, each.text) for each in problems] == [
        ("company.name", "is given twice"),
        ("buyers[0].tid", "is given twice"),
    ]


def test_json_and_yaml_mean_the_same() -> None:
    text = json.dumps(SMALL)
    assert read_text(text, as_json=True) == read_text(text) == SMALL
    assert judged(read_text(text)) == judged(SMALL)


def test_json_keeps_decimals() -> None:
    assert read_text('{"a": 0.1, "b": 25.00}', as_json=True) == {"a": Decimal("0.1"), "b": Decimal(25)}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for as_json in (False, True):
        with suppress(ValueError):
            read_text(text, as_json=as_json)


def test_the_demo_account_is_whole() -> None:
    assert problems_of(read_file(DEMO_ACCOUNT)) == {}


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No such file"):
        read_file(tmp_path / "missing.yaml")
    with pytest.raises(OperatorError, match="directory"):
        read_file(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorError, match="is not UTF-8"):
        read_file(bad)
    bad.write_text("a: [")
    with pytest.raises(OperatorError, match=r"bad\.yaml: is no YAML at line"):
        read_file(bad)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(OperatorError, match="at most 4 MiB"):
        read_file(huge)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(SMALL).encode())
    assert read_file(path) == SMALL
