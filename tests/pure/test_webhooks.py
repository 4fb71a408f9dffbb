"""Webhooks: what an event fires, what is kept of it, and when it is tried again."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import uuid7
from shared.domain.tags import Tags, read_rule
from shared.domain.webhooks import (
    MOST_ATTEMPTS,
    Facts,
    Firing,
    Webhook,
    firings_of,
    pause_after,
    read_payload,
    receiver_of,
)

NOW_MS = 1_760_000_000_000
EVENT = "0199c0de-0000-7000-8000-000000000009"
FACTS = Facts(
    call_uuid="c", key_seed="s", caller="+13105551212", revenue=Decimal("25.5000"), tags={"age": "42"}
)


def hook(number: int, **changes: Any) -> Webhook:
    plain = {"id": number, "name": f"hook {number}", "trigger": "end", "url": f"https://h{number}.test/"}
    return Webhook(**{**plain, **changes})


def ids() -> Iterator[str]:
    return (uuid7.make(NOW_MS, 0, rand=n.to_bytes(8, "big")) for n in count(1))


def fire(*hooks: Webhook, trigger: str = "end", tags: Tags | None = None) -> tuple[Firing, ...]:
    made = ids()
    return firings_of(hooks, trigger, facts=FACTS, tags=tags or {}, event_id=EVENT, ids=lambda: next(made))


def test_the_webhooks_of_a_trigger_fire() -> None:
    found = fire(hook(1, trigger="start"), hook(2), hook(3, trigger="converted"))
    assert [each.webhook_id for each in found] == [2]
    assert fire(hook(1), trigger="answered") == ()


def test_those_whose_rules_the_call_passes() -> None:
    hooks = [
        hook(n, rules=(read_rule(rule),)) for n, rule in enumerate(("age > 40", "age < 40", "zip exists"))
    ]
    assert [each.webhook_id for each in fire(*hooks, tags={"age": "42"})] == [0]
    assert [each.webhook_id for each in fire(*hooks, tags={"age": "39", "zip": ("1", "2")})] == [1, 2]


@given(st.lists(st.integers(-2, 2), max_size=6))
def test_they_fire_in_their_order(orders: list[int]) -> None:
    found = fire(*(hook(n, fire_order=order) for n, order in enumerate(orders)))
    assert [(each.fire_order, each.webhook_id) for each in found] == sorted(
        zip(orders, count(), strict=False)
    )
    assert len({each.id for each in found}) == len(orders)
    assert {each.event_id for each in found} <= {EVENT}


def test_a_firing_holds_what_its_delivery_needs() -> None:
    (found,) = fire(hook(5, name="crm", url="https://Crm.Test:8443/x?[age]", method="PUT", dedupe_seconds=60))
    assert (found.webhook_id, found.name, found.trigger, found.host) == (5, "crm", "end", "crm.test:8443")
    assert (found.caller, found.dedupe_seconds) == ("+13105551212", 60)
    told = read_payload(found.payload)
    assert (told.url, told.method, told.at_ms, told.facts) == (
        "https://Crm.Test:8443/x?[age]",
        "PUT",
        NOW_MS,
        FACTS,
    )


def test_a_payload_lets_nobody_write() -> None:
    (found,) = fire(hook(1, body="[call_key]"))
    assert b"pbk_" not in found.payload


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.test", "a.test"),
        ("HTTP://A.test:80/x", "a.test:80"),
        ("https://user:p@ss@a.test/?x", "a.test"),
        ("https://[2001:db8::1]:9/", "[2001:db8::1]:9"),
        ("https://a.test#b", "a.test"),
        ("ftp://a.test", ""),
        ("", ""),
    ],
)
def test_the_receiver_is_named_without_credentials(url: str, host: str) -> None:
    assert receiver_of(url) == host


PAUSES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)


@given(st.floats(0, 1, exclude_max=True))
def test_the_schedule_is_the_published_one_give_or_take_a_tenth(draw: float) -> None:
    pauses = [pause_after(attempts, draw) for attempts in range(1, MOST_ATTEMPTS)]
    assert len(pauses) == len(PAUSES_S)
    for pause, published in zip(pauses, PAUSES_S, strict=True):
        assert pause is not None
        assert 0.9 * published <= pause <= 1.1 * published


def test_without_chance_the_pauses_are_the_middle_ones() -> None:
    assert [pause_after(attempts, 0.5) for attempts in range(1, 8)] == [
        pytest.approx(each) for each in PAUSES_S
    ]


@given(st.floats(0, 1, exclude_max=True), st.integers(8, 100))
def test_after_the_eighth_attempt_there_is_none(draw: float, attempts: int) -> None:
    assert pause_after(attempts, draw) is None
