"""A bid that asks, in an account file: templates, what goes over them, and what is refused."""

from typing import Any

import pytest

from shared.domain.account.bids import read_bid
from shared.domain.account.entities import Ask, Bid
from shared.domain.account.fields import Doubled, Fields, Problem
from shared.stores.account.bid_templates import load_bid_templates

URL = "https://buyer.test/ping"
TEMPLATES: dict[str, dict[str, Any]] = {
    "plain": {
        "method": "POST",
        "headers": {"Content-Type": "application/json", "X-A": "1"},
        "body": "{}",
        "output_map": {"bid": "a", "number": "b"},
        "accept_when": "ok == 1",
    },
    "posting": {"post": {"method": "POST", "body": "x", "output_map": {"number": "n"}}},
}


def bid_of(tree: Any) -> Bid:
    bid, problems = read(tree)
    assert problems == {}
    return bid


def read(tree: Any) -> tuple[Bid, dict[str, str]]:
    problems: list[Problem] = []
    bid = read_bid(Fields(tree, "bid", problems=problems), TEMPLATES)
    return bid, {each.path: each.text for each in problems}


def test_a_template_is_as_if_its_fields_were_written() -> None:
    written = {"url": URL, **TEMPLATES["plain"]}
    assert bid_of({"template": "plain", "url": URL}) == bid_of(written)
    assert bid_of({"template": "plain", "url": URL}).ask == Ask(
        url=URL,
        method="POST",
        headers={"Content-Type": "application/json", "X-A": "1"},
        body="{}",
        output_map={"bid": "a", "number": "b"},
        accept_when="ok == 1",
    )


def test_every_field_that_is_given_goes_over_the_templates() -> None:
    given = {
        "template": "plain",
        "url": URL,
        "method": "PUT",
        "headers": {"content-type": "text/xml", "X-B": "2"},
        "body": "<a/>",
        "output_map": {"number": "", "seconds": "s"},
        "accept_when": "code == 2",
        "timeout_ms": 300,
        "hide_caller_number": True,
    }
    assert bid_of(given) == Bid(
        ask=Ask(
            url=URL,
            method="PUT",
            headers={"X-A": "1", "content-type": "text/xml", "X-B": "2"},
            body="<a/>",
            output_map={"bid": "a", "number": "", "seconds": "s"},
            accept_when="code == 2",
            timeout_ms=300,
        ),
        hide_caller_number=True,
    )


def test_null_is_not_given() -> None:
    assert bid_of({"template": "plain", "url": URL, "headers": None}) == bid_of(
        {"template": "plain", "url": URL}
    )


def test_a_templates_post_is_completed_too() -> None:
    post = bid_of({"template": "posting", "url": URL, "post": {"url": f"{URL}2", "body": "y"}}).post
    assert post == Ask(url=f"{URL}2", method="POST", body="y", output_map={"number": "n"})


@pytest.mark.parametrize(
    ("tree", "path", "text"),
    [
        ({"template": "nobody", "url": URL}, "bid.template", "is one of plain, posting"),
        ({"template": "plain"}, "bid.url", "is needed"),
        ({"template": "posting", "url": URL}, "bid.post.url", "is needed"),
        ({"template": "plain", "url": URL, "revenue": 5}, "bid", "not both"),
        ({"template": "plain", "url": URL, "post": 5}, "bid.post", "is a mapping of fields"),
        ({"template": "plain", "url": URL, "headers": []}, "bid.headers", "is a mapping of fields"),
        ({"template": ["plain"], "url": URL}, "bid.template", "is a text"),
        ({"template": "plain", "url": URL, "colour": 1}, "bid.colour", "is no field here"),
        ({"url": "https://[host].test/"}, "bid.url", "is no http or https URL"),
        ({"url": "https://a.test\\@b.test/"}, "bid.url", "takes no tokens"),
        ({"url": "https://a.test/../x"}, "bid.url", "leads upwards"),
        ({"url": URL, "output_map": {"bid": "a..b"}}, "bid.output_map.bid", "is no path"),
        ({"url": URL, "output_map": {"a\nb": "x"}}, "bid.output_map.a\nb", "is the name of a tag"),
        ({"url": URL, "output_map": {"n" * 65: "x"}}, f"bid.output_map.{'n' * 64}", "is the name of a tag"),
        ({"url": URL, "post": {"url": URL, "output_map": {"x": "["}}}, "bid.post.output_map.x", "is no path"),
    ],
)
def test_what_is_refused(tree: Any, path: str, text: str) -> None:
    problems = read(tree)[1]
    assert text in problems[path]


def test_a_name_given_twice_is_told_under_a_template_too() -> None:
    headers = Doubled({"X-A": "2"})
    headers.doubled = ("X-A",)
    assert read({"template": "plain", "url": URL, "headers": headers})[1] == {
        "bid.headers.X-A": "is given twice"
    }


def test_without_templates_there_are_none() -> None:
    problems: list[Problem] = []
    read_bid(Fields({"template": "ringba", "url": URL}, "bid", problems=problems))
    assert [each.path for each in problems] == ["bid.template"]


@pytest.mark.parametrize("name", load_bid_templates())
def test_our_templates_need_only_their_urls(name: str) -> None:
    problems: list[Problem] = []
    tree = {"template": name, "url": URL, "post": {"url": URL}}
    bid = read_bid(Fields(tree, "bid", problems=problems), load_bid_templates())
    assert problems == []
    assert bid.ask is not None


def test_our_templates_are_those_of_the_specification() -> None:
    assert list(load_bid_templates()) == ["callgrid", "convoso", "retreaver", "ringba", "trackdrive"]
