"""How a bid of an account file compiles to what is asked and where its answer is read."""

import pytest

from shared.domain.account.entities import Ask as FileAsk
from shared.domain.account.entities import Bid as FileBid
from shared.domain.asks import FOUND_BY_THEMSELVES, Ask, Asking, Path, compile_bid, read_path
from shared.domain.request_text import RequestText
from shared.domain.tags import Rule


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("bid", ("bid",)),
        ("bidTerms[0].callMinDuration", ("bidTerms", 0, "callMinDuration")),
        ("[2].a b.c-d", (2, "a b", "c-d")),
        ("a[0][1]", ("a", 0, 1)),
        (".".join("abcdefghijklmnop"), tuple("abcdefghijklmnop")),
    ],
)
def test_a_path_is_dotted_and_indexed(text: str, path: Path) -> None:
    assert read_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a[",
        "a[]",
        "a[x]",
        "a[-1]",
        "a[0]b",
        "a[12345]",
        "a" * 65,
        "a.b" + ".c" * 15,
    ],
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        read_path(text)


def test_a_fixed_bid_asks_nobody() -> None:
    assert compile_bid(None, number="+1", tag_prefix="") is None
    assert compile_bid(FileBid(revenue=None), number="+1", tag_prefix="") is None


def test_what_a_bid_compiles_to() -> None:
    ask = FileAsk(
        url="https://a.test/?n=[age]",
        method="POST",
        headers={"X": "[call_key]"},
        body="[age] [x]",
        timeout_ms=400,
        output_map={"bid": "a[0].b", "seconds": "", "accepted": "ok", "did": "d"},
        accept_when="code == 1000",
    )
    post = FileAsk(url="https://a.test/post", output_map={"accepted": ""})
    bid = FileBid(ask=ask, post=post, hide_caller_number=True)
    assert compile_bid(bid, number="[did]", tag_prefix="x_") == Asking(
        ping=Ask(
            text=RequestText(method="POST", url=ask.url, headers=ask.headers, body=ask.body),
            timeout_ms=400,
            outputs={
                **FOUND_BY_THEMSELVES,
                "bid": (("a", 0, "b"),),
                "seconds": (),
                "accepted": (("ok",),),
                "did": (("d",),),
            },
            accept=(Rule(key="code", value="1000"),),
            must_accept=True,
            tokens=frozenset({"age", "call_key", "x"}),
        ),
        post=Ask(
            text=RequestText(method="GET", url=post.url), outputs={**FOUND_BY_THEMSELVES, "accepted": ()}
        ),
        hide_caller_number=True,
        tag_prefix="x_",
        number_from="did",
    )
