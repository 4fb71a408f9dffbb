"""Which regular expressions an account may store."""

import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.patterns import check, found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*",
        "(a|a)*b",
        "(a|b)+",
        "(.*)*x",
        "(?:a?){30}a{30}",
        "((ab)*c)*",
        "(a{2,3}){4}",
        "(x+x+)+y",
        r"([a-z0-9]+\.)+com",
        r"^(\w+\s?)*$",
        "a*a*a*a*b",
        "^a*a*a*a*b",
        "^.*.*.*=.*",
        "a?" * 25 + "a{25}",
        "(a|a)" * 20 + "b",
        "(?:(?:a|a)(?:a|a)(?:a|a)(?:a|a))" * 5 + "b",
        "a{0,100}a{0,100}a{0,100}b",
        "x{1,}y{1,}z{1,}!",
        "a*(b*(c*(d*)))e",
        ".*(?:){1000}z",
        r"[a-z]+(?:\b){1000}(?:){1000}z",
        ".*(?:a(?:){100}){10}z",
    ],
)
def test_refuses_what_could_take_for_ever(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        r"\1",
        "(?P<a>b)(?P=a)",
        "(?P<a>b)",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?<!a)b",
        "(?>a+)b",
        "(?(1)a|b)",
        "(?i)a",
        "(?#note)",
        "a++",
        "a*+",
        "a?+",
        "a{2}+",
        "a{2}{3}",
        "a**",
        "*a",
        "+",
        "a|*b",
        "(*a)",
        "^*",
        "(a",
        "a)",
        "[a",
        "[]",
        "[^]",
        "[]--",
        "[[a]]",
        "[[:alpha:]]",
        "[a--b]",
        "[a&&b]",
        "[z-a]",
        r"[\b]",
        r"[\q]",
        "a{",
        "a{,3}",
        "a{3,2}",
        "a{1001}",
        "a{99999}",
        "\\",
        r"\A",
        r"\Z",
        r"\x41",
        r"\u0041",
        r"\N{DASH}",
        r"\07",
        "",
        "a" * 201,
        "(" * 21 + ")" * 21,
    ],
)
def test_refuses_what_is_too_long_or_not_in_the_subset(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check(pattern)


@pytest.mark.parametrize(
    ("pattern", "value", "stands"),
    [
        ("CA", "calgary", True),
        ("^CA$", "ca", True),
        ("^CA$", "cab", False),
        ("^(CA|NY|TX)$", "ny", True),
        ("^(?:CA|NY)$", "nyc", False),
        (".*foo.*", "a food", True),
        ("foo.*bar", "foo and bar", True),
        ("foo.*(CA|NY)", "foo NY", True),
        (r"^90[0-9]{3}(-\d{4})?$", "90210-1234", True),
        (r"^90[0-9]{3}(-\d{4})?$", "90210-12", False),
        (r"\(?\d{3}\)?[- ]?\d{3}[- ]?\d{4}", "(212) 555-0199", True),
        (r"^\d+-\d+$", "12-34", True),
        (r"\d+-\d+", "x12-34", True),
        (r"^[\w.+-]+@[\w-]+\.com$", "a.b+c@d-e.com", True),
        (r"\bfox\b", "the fox ran", True),
        (r"\bfox\b", "foxes", False),
        ("^(?:ab){2,3}$", "ababab", True),
        ("^(?:ab)*$", "abab", True),
        ("^(?:a{2}b){2}$", "aabaab", True),
        ("^a.+?b", "axxb", True),
        ("[]x]", "]", True),
        (r"[^\]]", "]", False),
        (r"[a\-z]", "-", True),
        (r"^\{a\}$", "{a}", True),
        (r"\.\*\+\?\(\)\[\]\|\\\^\$", r".*+?()[]|\^$", True),
        ("a||b", "zzz", True),
        ("é", "É", True),
        ("^$", "", True),
        ("^(A(B(C)?)?)?$", "ab", True),
    ],
)
def test_takes_what_is_needed(pattern: str, value: str, stands: bool) -> None:
    check(pattern)
    assert found(pattern, value) is stands


def test_looks_at_the_first_512_characters_only() -> None:
    assert found("b", "a" * 511 + "b")
    assert not found("b", "a" * 512 + "b")
    assert found("^a+$", "a" * 600 + "b")


def test_never_matches_a_pattern_that_was_not_checked() -> None:
    with pytest.raises(ValueError, match="repeats a group"):
        found("(a+)+$", "a")


parts = [
    *"ab.^$()|\\[]*+?{}-\u00e9",
    "ab",
    "[ab]",
    "[^b]",
    r"\d",
    r"\w",
    r"\b",
    "(?:",
    "*?",
    "{2}",
    "{0,3}",
    "{1,}",
    "--",
]
pieces = st.lists(st.sampled_from(parts), max_size=14).map("".join)


def accepted(pattern: str) -> bool:
    try:
        check(pattern)
    except ValueError:
        return False
    return True


@settings(deadline=None)
@given(st.one_of(pieces, st.text(max_size=30)), st.text("ab1 é", max_size=30))
def test_whatever_is_accepted_is_what_python_reads(pattern: str, value: str) -> None:
    if not accepted(pattern):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = re.search(pattern, value, re.IGNORECASE) is not None
    assert found(pattern, value) is expected


@settings(deadline=None)
@given(pieces.filter(accepted))
def test_a_repeat_of_what_can_be_laid_in_two_ways_is_refused(inner: str) -> None:
    for repeated in (f"(a+{inner})*", f"(?:a|{inner})+", f"(a?(?:{inner})){{2,}}"):
        assert not accepted(repeated)
