"""Conversions against a plain model of them: repeats, revisions, late retries, Idempotency-Keys, in any order."""

from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.data.bench import Bench, Company
from tests.services.data.cases import read_account
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, Sent

NUMBER = 406  # of the company; those below are others' own
KEY = f"case{NUMBER:04d}-posts-as-alpha"
_callers = count(2_125_554_060)

Post = tuple[str, str]  # a value as it is written, and an Idempotency-Key or ""


class Model:
    """One call, and what each post of a value makes of it."""

    def __init__(self) -> None:
        self.revisions: list[Decimal] = []
        self._kept: dict[str, tuple[str, Decimal]] = {}

    def answer(self, text: str, repeat_key: str) -> Decimal | None:
        """The value that is told; None = the Idempotency-Key stands for another request."""
        if repeat_key in self._kept:
            request, told = self._kept[repeat_key]
            return told if request == text else None
        value = Decimal(text.removeprefix("$").replace(",", ""))
        if value not in self.revisions:
            self.revisions.append(value)
        if repeat_key:
            self._kept[repeat_key] = text, value
        return value


@pytest.fixture(scope="module")
def company(bench: Bench, loop: Loop) -> Company:
    return loop.run(bench.open_company(read_account("sales", NUMBER, {})))


def post(bench: Bench, call_uuid: str, text: str, repeat_key: str) -> Answer:
    headers = {"Idempotency-Key": f"{call_uuid} {repeat_key}"} if repeat_key else {}
    target = f"/postbacks/{KEY}?call_uuid={call_uuid}&value={text}"
    return send(bench.service, Sent(method="GET", target=target, headers=headers, body=b""))


_posts = st.lists(
    st.tuples(
        st.sampled_from(["25", "25.0", "$25", "1,250", "1250.00", "0", "0.0001", "7.5"]),
        st.sampled_from(["", "", "one", "two"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(_posts)
def test_conversions_do_what_their_model_does(
    bench: Bench, loop: Loop, company: Company, posts: list[Post]
) -> None:
    call = {"as": "c1", "caller": f"+1{next(_callers)}", "buyer": "alpha"}
    uuid, model = loop.run(bench.put(company, call))["c1"], Model()
    already = loop.run(bench.webhooks(company))
    for text, repeat_key in posts:
        answer, told = post(bench, uuid, text, repeat_key), model.answer(text, repeat_key)
        if told is None:
            assert (answer.status, answer.body[:7]) == (422, b"FAILED ")
        else:
            assert answer.body.decode() == f"SUCCESS {uuid} {told:.2f}"
        stored = loop.run(bench.call(company, uuid))
        revenue = model.revisions[-1] if model.revisions else Decimal(0)
        assert stored["revision"] == len(model.revisions)
        assert stored["money"] == [float(revenue), float(round(revenue * Decimal("0.8"), 4))]
    assert loop.run(bench.webhooks(company)) - already == len(model.revisions)
    assert loop.run(bench.sums_are_equal())
