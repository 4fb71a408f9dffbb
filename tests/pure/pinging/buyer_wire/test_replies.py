"""What a buyer's answers mean, and that none of them raises."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.outgoing import Failed, Failure, Reply
from shared.domain.reasons import Reason
from shared.pinging.buyer_wire import Bid, NoBid, Why, read_post, read_reply
from tests.pure.pinging.buyer_wire.buyers import asking, bid_of, reply, why_not

ANY = asking()
DIALLED = asking(number="[number]")
MAPPED = asking(
    {"output_map": {"bid": "terms[1].price", "seconds": "terms[1].of.call", "accepted": "ok", "did": "a.b"}},
    prefix="x_",
)
POSTED = asking(post={}, number="[number]")


def price(written: str) -> Decimal | Why | None:
    heard = read_reply(ANY, reply(f'{{"bid": {written}}}'))
    return heard.revenue if isinstance(heard, Bid) else heard.why


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("12.50", "12.50"),
        ('"12.50"', "12.50"),
        ('" 12.5 "', "12.5"),
        ('"$1,250.00"', "1250"),
        ("25", "25"),
        ("1.25e1", "12.5"),
        ("10000", "10000"),
        ("0.30000000000000004", "0.3"),
        ("12.34565", "12.3457"),
        ("0", Why.DECLINED),
        ("0.0", Why.DECLINED),
        ("-0.0", Why.PRICE),
        ("0.00001", Why.DECLINED),
        ("1e-99", Why.DECLINED),
        ("-5", Why.PRICE),
        ("10000.01", Why.PRICE),
        ("1e9", Why.PRICE),
        ("1e99", Why.PRICE),
        ("1e400", Why.PRICE),
        ("1e999999999", Why.PRICE),
        ("9" * 400, Why.PRICE),
        ("9" * 4300, Why.NO_PRICE),
        ("9" * 4301, Why.UNREADABLE),
        ('"12,50"', Why.PRICE),
        ('"NaN"', Why.PRICE),
        ('"Infinity"', Why.PRICE),
        ('"1_000"', Why.PRICE),
        ('"\u0661"', Why.PRICE),
        ('"twelve"', Why.PRICE),
        ("true", Why.PRICE),
        ('""', Why.NO_PRICE),
        ("null", Why.NO_PRICE),
        ("[5]", Why.NO_PRICE),
        ('{"a": 5}', Why.NO_PRICE),
        ("NaN", Why.UNREADABLE),
        ("Infinity", Why.UNREADABLE),
        ("-Infinity", Why.UNREADABLE),
        (".5", Why.UNREADABLE),
    ],
)
def test_what_a_price_is(written: str, expected: str | Why) -> None:
    found = price(f'{written}, "other": 1')
    assert found == (expected if isinstance(expected, Why) else Decimal(expected))


@given(st.decimals(min_value="0.0001", max_value=10_000, places=4))
def test_every_price_within_bounds_is_read_as_it_is(amount: Decimal) -> None:
    assert price(f"{amount:f}") == price(f'"{amount:f}"') == amount


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"bid": 5}, Bid(revenue=Decimal(5), tags={"bid": "5"}, said={"bid": "5"})),
        (
            {"retreaver_payout": 5, "retreaver_seconds": 90},
            Bid(
                revenue=Decimal(5),
                seconds=90,
                tags={"retreaver_payout": "5", "retreaver_seconds": "90"},
                said={"bid": "5", "seconds": "90", "retreaver_payout": "5", "retreaver_seconds": "90"},
            ),
        ),
    ],
)
def test_what_is_found_when_nothing_is_mapped(body: dict[str, object], expected: Bid) -> None:
    assert bid_of(ANY, json.dumps(body)) == expected


def test_an_empty_text_hides_nothing_that_stands_elsewhere() -> None:
    heard = read_reply(
        DIALLED, reply('{"bid": " ", "retreaver_payout": 5, "number": "", "inbound_number": "8005550100"}')
    )
    assert isinstance(heard, Bid)
    assert (heard.revenue, heard.number) == (Decimal(5), "+18005550100")
    assert why_not(ANY, '{"bid": ""}') is Why.NO_PRICE


def test_parts_stand_where_the_map_says() -> None:
    terms = [{"price": 1}, {"price": "7.5", "of": {"call": 45}}]
    bid = bid_of(
        MAPPED, json.dumps({"bid": 99, "terms": terms, "ok": True, "a": {"b": "d1"}, "id": 3, "no": None})
    )
    assert (bid.revenue, bid.seconds) == (Decimal("7.5"), 45)
    assert bid.tags == {"x_bid": "99", "x_ok": "true", "x_id": "3", "x_did": "d1"}
    assert bid.said == {
        "bid": "7.5",
        "seconds": "45",
        "accepted": "true",
        "did": "d1",
        "ok": "true",
        "id": "3",
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"ok": True, "terms": [{"price": 1}]}, Why.NO_PRICE),
        ({"ok": True, "terms": {"1": {"price": 1}}}, Why.NO_PRICE),
        ({"ok": True, "terms": "ab"}, Why.NO_PRICE),
        ({"ok": True, "bid": 5}, Why.NO_PRICE),
        ({"ok": False, "terms": [0, {"price": 1}]}, Why.DECLINED),
        ({"ok": "no", "terms": [0, {"price": 1}]}, Why.DECLINED),
        ({"terms": [0, {"price": 1}]}, Why.DECLINED),
        ({}, Why.DECLINED),
    ],
)
def test_a_part_that_is_not_where_the_map_says_is_not_there(body: dict[str, object], why: Why) -> None:
    assert why_not(MAPPED, json.dumps(body)) is why


@pytest.mark.parametrize("yes", [True, "true", "TRUE", " Yes ", 1, "1", "ok", "accepted", "success"])
def test_what_a_yes_is(yes: object) -> None:
    assert bid_of(ANY, json.dumps({"accepted": yes, "bid": 5})).revenue == 5


@pytest.mark.parametrize("no", [False, "false", "no", 0, 2, "", "rejected", "maybe"])
def test_what_a_no_is(no: object) -> None:
    assert why_not(ANY, json.dumps({"accepted": no, "bid": 5})) is Why.DECLINED


@pytest.mark.parametrize(
    ("rule", "body", "accepted"),
    [
        ("code == 1000", {"code": 1000}, True),
        ("code == 1000", {"code": "1000"}, True),
        ("code == 1000", {"code": 2000}, False),
        ("code == 1000", {"bid": 5}, False),
        ("agents > 0", {"data": {"n": 3}}, True),
        ("agents > 0", {"data": {"n": 0}}, False),
        ("agents > 0", {"agents": 3}, False),
        ("reason missing", {"bid": 5}, True),
        ("reason missing", {"reason": "x"}, False),
        ("status in reserved,confirmed", {"status": "Confirmed"}, True),
    ],
)
def test_a_rule_says_what_is_accepted(rule: str, body: dict[str, object], accepted: bool) -> None:
    told = asking({"accept_when": rule, "output_map": {"agents": "data.n"}})
    heard = read_reply(told, reply(json.dumps({"bid": 5, **body})))
    assert (heard.revenue if isinstance(heard, Bid) else heard.why) == (5 if accepted else Why.DECLINED)


def test_answers_may_have_no_price() -> None:
    told = asking({"output_map": {"bid": ""}, "accept_when": "free > 0"})
    assert bid_of(told, '{"free": 2, "bid": 9}').revenue is None
    assert why_not(told, '{"free": 0, "bid": 9}') is Why.DECLINED


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+18005550111", "+18005550111"),
        ("(800) 555-0111", "+18005550111"),
        (18005550111, "+18005550111"),
        ("sip:a@b.test", "sip:a@b.test"),
        ("01890a5d-ac96@sip.test:5060;transport=tls", "sip:01890a5d-ac96@sip.test:5060;transport=tls"),
        ("", Why.NUMBER),
        (None, Why.NUMBER),
        ("911", Why.NUMBER),
        ("sip:a@b.test?X-Evil=1", Why.NUMBER),
        ("sip:a@b.test;evil=1", Why.NUMBER),
        ("sip:a@b.test\r\nX-Evil: 1", Why.NUMBER),
        ("sip:a<b@b.test", Why.NUMBER),
        ("+1800555011", Why.NUMBER),
        (True, Why.NUMBER),
    ],
)
def test_a_number_to_dial_must_be_one(written: object, number: str | Why) -> None:
    heard = read_reply(DIALLED, reply(json.dumps({"bid": 5, "number": written})))
    assert (heard.number if isinstance(heard, Bid) else heard.why) == number


def test_a_buyer_with_a_number_of_its_own_keeps_it() -> None:
    assert bid_of(ANY, '{"bid": 5, "number": "+18005550199"}').number == ""
    assert bid_of(ANY, '{"bid": 5, "number": "nonsense"}').number == ""


def test_a_number_may_come_from_any_part() -> None:
    told = asking({"output_map": {"did": "to.dial"}}, number="[did]")
    assert bid_of(told, '{"bid": 5, "to": {"dial": "8005550111"}}').number == "+18005550111"
    assert why_not(told, '{"bid": 5, "did": "8005550111"}') is Why.NUMBER
    assert bid_of(asking(number="[x]"), '{"bid": 5, "x": "8005550111"}').number == "+18005550111"
    tagged = asking(number="[x_did]", prefix="x_")
    assert bid_of(tagged, '{"bid": 5, "did": "8005550111"}').number == "+18005550111"
    assert bid_of(tagged, '{"bid": 5, "x_did": "8005550111"}').number == "+18005550111"
    assert bid_of(DIALLED, '{"bid": 5, "sip_address": "u@sip.test"}').number == "sip:u@sip.test"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ('"90"', 90), ("90.0", 90), ("0", 0), ("-1", None), ("1e9", None), ('"x"', None)],
)
def test_seconds_that_are_none_are_left_out(written: str, seconds: int | None) -> None:
    assert bid_of(ANY, f'{{"bid": 5, "seconds": {written}}}').seconds == seconds


def test_a_buyer_cannot_say_who_the_caller_is_nor_what_is_ours() -> None:
    forged = dict.fromkeys(
        ("caller_zip", "caller_number", "geo", "system_buyer_id", "publisher_id", "hour"), "x"
    )
    assert bid_of(asking(), json.dumps({"bid": 5, **forged})).tags == {"bid": "5"}
    bid = bid_of(asking(prefix="td_"), json.dumps({"bid": 5, "td_a": 1, **forged}))
    assert bid.tags == {"td_bid": "5", "td_a": "1"}
    assert not {"caller_zip", "caller_number", "geo"} & bid.said.keys()


def test_tags_are_bounded() -> None:
    many = {f"t{place}": "x" for place in range(300)}
    bid = bid_of(ANY, json.dumps({"bid": 5, "long": "x" * 513, "n" * 65: 1, "nul": "\0", **many}))
    assert len(bid.tags) == 100
    assert not {"long", "n" * 65, "nul"} & bid.tags.keys()


def test_xml_is_read_by_the_names_under_its_root() -> None:
    told = asking({"output_map": {"bid": "bids.bid[1].price", "which": "bids.bid.price", "seconds": "of"}})
    bid = bid_of(
        told,
        '\ufeff<?xml version="1.0"?>\n<r xmlns="urn:x"><id> 7 </id><of>60</of><bids><bid><price>1</price></bid>'
        "<bid><price>$12.50</price></bid></bids></r>",
    )
    assert (bid.revenue, bid.seconds) == (Decimal("12.50"), 60)
    assert bid.tags == {"id": "7", "of": "60", "which": "1"}
    assert why_not(told, "<r><bids><bid><price>1</price></bid></bids></r>") is Why.NO_PRICE


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Bad gateway",
        "<!DOCTYPE html><html></html>",
        '<!DOCTYPE a [<!ENTITY b "9">]><a><bid>&b;</bid></a>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a><bid>&b;</bid></a>',
        '<?xml version="1.0" encoding="nonsense"?><a><bid>5</bid></a>',
        '<?xml version="1.0" encoding="utf-32"?><a><bid>5</bid></a>',
        "<a>" * 20_000,
        "[" * 60_000,
        '{"a":' * 12_000,
        '{"bid": 5',
        "bid=5",
        "5",
        '"5"',
        "\0",
        b"\xff\xfe{\x00}\x00",
        b'{"bid": "\xff"}',
        '{"bid": "\\ud800"}',
    ],
)
def test_what_is_no_answer_is_unreadable(body: str | bytes) -> None:
    assert why_not(ANY, body) is Why.UNREADABLE


def test_what_is_deep_does_no_harm() -> None:
    assert why_not(ANY, "<a>" * 8_000 + "</a>" * 8_000) is Why.DECLINED


@pytest.mark.parametrize(
    ("came", "why", "reason"),
    [
        (Failed(kind=Failure.TIMEOUT), Why.LATE, Reason.DEADLINE),
        (Failed(kind=Failure.CONNECT), Why.NO_ANSWER, Reason.NO_BIDS),
        (Failed(kind=Failure.BROKEN), Why.NO_ANSWER, Reason.NO_BIDS),
        (Failed(kind=Failure.ADDRESS), Why.NOT_ASKED, Reason.NO_BIDS),
        (Failed(kind=Failure.INVALID), Why.NOT_ASKED, Reason.NO_BIDS),
        (Failed(kind=Failure.BUSY), Why.NOT_ASKED, Reason.NO_BIDS),
        (Failed(kind=Failure.SHUT), Why.NOT_ASKED, Reason.NO_BIDS),
        (Failed(kind=Failure.TOO_LARGE), Why.TOO_LARGE, Reason.NO_BIDS),
        (reply('{"bid": 5}', 503), Why.STATUS, Reason.NO_BIDS),
        (reply('{"bid": 5}', 302), Why.STATUS, Reason.NO_BIDS),
        (reply("", 204), Why.DECLINED, Reason.NO_BIDS),
        (reply(b'{"bid": 5}' + b" " * 65_536), Why.TOO_LARGE, Reason.NO_BIDS),
    ],
)
def test_what_is_no_answer_has_its_why(came: Reply | Failed, why: Why, reason: Reason) -> None:
    status = came.status if isinstance(came, Reply) else 0
    assert read_reply(ANY, came) == NoBid(why=why, status=status)
    assert why.reason is reason


BID = Bid(revenue=Decimal(5), tags={"a": "1"}, said={"a": "1", "b": "2"})


def posted(body: str, told: dict[str, str] | None = None, *, status: int = 200) -> Bid | NoBid:
    return read_post(asking(post=told or {}, number="[number]"), reply(body, status), bid=BID)


def test_the_post_completes_the_bid_but_never_its_price() -> None:
    heard = posted('{"number": "8005550111", "bid": 99, "a": "3", "caller_zip": "x"}')
    assert isinstance(heard, Bid)
    assert heard.revenue == 5
    assert heard.number == "+18005550111"
    assert heard.tags == {"a": "3", "number": "8005550111", "bid": "99"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"accepted": false, "number": "8005550111"}', Why.DECLINED),
        ('{"number": "911"}', Why.NUMBER),
        ("{}", Why.NUMBER),
        ("OK", Why.NUMBER),
        ("", Why.NUMBER),
    ],
)
def test_a_post_may_be_refused(body: str, why: Why) -> None:
    assert posted(body) == NoBid(why=why, status=200)
    assert posted('{"number": "8005550111"}', status=409) == NoBid(why=Why.STATUS, status=409)
    late = read_post(POSTED, Failed(kind=Failure.TIMEOUT), bid=BID)
    assert late == NoBid(why=Why.LATE)


def test_a_post_that_is_asked_nothing_is_taken_by_any_success() -> None:
    told = asking(post={})
    for body in ("OK", "", "{}", "<html>", '{"thanks": 1}'):
        assert isinstance(read_post(told, reply(body), bid=BID), Bid)
    ruled = asking(post={"accept_when": "status == success"})
    assert read_post(ruled, reply("OK"), bid=BID) == NoBid(why=Why.DECLINED, status=200)
    assert isinstance(read_post(ruled, reply('{"status": "success"}'), bid=BID), Bid)


def test_a_number_may_come_with_the_post() -> None:
    assert bid_of(POSTED, '{"bid": 5}').number == ""
    kept = bid_of(POSTED, '{"bid": 5, "number": "8005550111"}')
    again = read_post(POSTED, reply("OK"), bid=kept)
    assert isinstance(again, Bid)
    assert again.number == "+18005550111"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["bid", "terms", "number", "ok", "a", "b", "price", "geo", ""]), inner, max_size=4
        )
    ),
    max_leaves=20,
)
bodies = (
    st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.text(st.sampled_from('<>/&;!?[]{}":,ab0 \n='), max_size=60).map(str.encode)
)


@given(bodies, st.integers(100, 599))
@example(b'{"bid": "\\u0000"}', 200)
@example(b"<a><bid>\xc3</bid></a>", 200)
@example(b"\xef\xbb\xbf", 200)
def test_no_answer_raises(body: bytes, status: int) -> None:
    for told in (ANY, DIALLED, MAPPED):
        heard = read_reply(told, Reply(status=status, body=body))
        if isinstance(heard, Bid):
            assert heard.revenue is not None
            assert 0 < heard.revenue <= 10_000
            assert len(heard.tags) <= 104
            assert all(len(value) <= 512 for value in heard.tags.values())
    assert isinstance(read_post(POSTED, Reply(status=status, body=body), bid=BID), Bid | NoBid)
