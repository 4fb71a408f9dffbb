"""The data service's wire: requests into writes, reads and posts."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.data.rules.nouns import Post, Read, Refused, Whose, Write
from services.data.wire.requests import read_post, read_read, read_write
from shared.domain.reasons import Reason
from tests.support.requests import make_request

UUID = "01890a5d-ac96-7000-8000-123456789abc"
NUMBER = "caller_number=2125551212"
JSON = "application/json"


def write(query: str, body: bytes = b"", **headers: str) -> Write | Refused:
    return read_write(make_request(query, body, path="/data_writing", **headers))


def read(query: str) -> Read | Refused:
    return read_read(make_request(query, path="/data_reading"))


def post(query: str, body: bytes = b"", *, path_key: str = "k", **headers: str) -> Post:
    request = make_request(query, body, path="/postbacks/k", **headers)
    asked = read_post(replace(request, params={"key": path_key}))
    assert isinstance(asked, Post), asked
    return asked


def reason_of(asked: object) -> Reason | None:
    assert isinstance(asked, Refused | Post), asked
    return asked.refused if isinstance(asked, Post) else asked.reason


# whose call


def test_a_whole_write() -> None:
    assert write(f"key=k&{NUMBER}&zip=10001&caller_zip=10002&map_keys=x") == Write(
        token="k",
        whose=Whose(caller="+12125551212"),
        tags={"zip": "10001", "caller_zip": "10002", "map_keys": "x"},
    )


def test_a_uuid_wins_over_a_number_and_is_read_in_lower_case() -> None:
    asked = write(f"key=k&{NUMBER}&call_uuid={UUID.upper()}")
    assert isinstance(asked, Write)
    assert asked.whose == Whose(caller="+12125551212", call_uuid=UUID)
    odd = write(f"key=k&caller_number=nobody&call_uuid={UUID}")
    assert isinstance(odd, Write)
    assert odd.whose == Whose(call_uuid=UUID)


@pytest.mark.parametrize("unfilled", ["", "CALL_UUID", "[call_uuid]", "%20"])
def test_a_uuid_that_was_never_filled_in_counts_as_absent(unfilled: str) -> None:
    assert post(f"call_uuid={unfilled}&{NUMBER}&value=1").whose == Whose(caller="+12125551212")
    assert post(f"call_uuid={unfilled}&caller_number=CALLER_NUMBER").refused is Reason.CALL_MISSING


def test_no_call_and_no_number() -> None:
    for asked in (write("key=k&zip=1"), read("key=k")):
        assert reason_of(asked) is Reason.CALL_MISSING
    for asked in (write("key=k&caller_number=x"), read("key=k&caller_number=x")):
        assert reason_of(asked) is Reason.CALLER_NUMBER_INVALID
    assert post("caller_number=x&value=1").refused is Reason.CALLER_NUMBER_INVALID


# keys


def test_two_different_keys_and_none() -> None:
    assert reason_of(write(f"key=k&{NUMBER}", X_Api_Key="other")) is Reason.KEY_AMBIGUOUS
    assert reason_of(write(NUMBER)) is Reason.KEY_MISSING
    assert reason_of(read_post(make_request(NUMBER))) is Reason.KEY_MISSING
    assert post(f"key=k&{NUMBER}&value=1").token == "k"


# tags


def test_tags_that_were_never_filled_in_are_none() -> None:
    asked = write(f"key=k&{NUMBER}&a=[a]&b=&c=1")
    assert isinstance(asked, Write)
    assert asked.tags == {"c": "1"}


@pytest.mark.parametrize("bad", ["a=%00", "%00=1", "n%07ame=1", "a" * 65 + "=1", "a=" + "x" * 513])
def test_tags_that_are_not_valid(bad: str) -> None:
    assert reason_of(write(f"key=k&{NUMBER}&{bad}")) is Reason.TAG_INVALID


def test_more_than_a_hundred_tags() -> None:
    tags = "&".join(f"t{place}=1" for place in range(101))
    assert reason_of(write(f"key=k&{NUMBER}&{tags}")) is Reason.TAG_INVALID


def test_a_nested_body_is_no_tag() -> None:
    asked = write(f"key=k&{NUMBER}", b'{"zip": {"a": 1}}', Content_Type=JSON)
    assert reason_of(asked) is Reason.TAG_INVALID


# reads


def names(query: str) -> object:
    asked = read(f"key=k&{NUMBER}&{query}")
    return asked.names if isinstance(asked, Read) else asked.reason


def test_names_that_are_asked_for() -> None:
    assert names("") is None
    assert names("map_keys=&accept_keys=") is None
    assert names("map_keys=%20postal%20:%20zip,state:caller_state&accept_keys=plan,,zip") == (
        ("postal", "zip"),
        ("state", "caller_state"),
        ("plan", "plan"),
        ("zip", "zip"),
    )


@pytest.mark.parametrize("bad", ["zip", "a:", ":b", "a:b:c", ":", "a:b,c", ",".join(["a:b"] * 201)])
def test_map_keys_that_cannot_be_read(bad: str) -> None:
    assert names(f"map_keys={bad}") is Reason.MAP_KEYS_INVALID


# posts


def test_a_whole_post() -> None:
    asked = post(
        f"call_uuid={UUID}&value=25.5&connected_duration=61.9&start_time=1790000000", Idempotency_Key=" one "
    )
    assert asked.whose == Whose(call_uuid=UUID)
    assert (asked.value, asked.connected_s, asked.start_ms) == (Decimal("25.5"), 61, 1_790_000_000_000)
    assert (asked.repeat_key, asked.refused) == ("one", None)


def test_what_chooses_among_calls_is_left_out_when_it_cannot_be_read() -> None:
    for told in ("start_time=soon", "start_time=-5", "start_time=99999999999", "connected_duration=1:30"):
        asked = post(f"{NUMBER}&value=1&{told}")
        assert (asked.start_ms, asked.connected_s, asked.refused) == (None, None, None), told


def test_the_fingerprint_is_of_what_is_said_and_not_of_how() -> None:
    by_query = post(f"{NUMBER}&value=1")
    assert by_query.fingerprint == post(f"value=1&{NUMBER}&key=k").fingerprint
    assert by_query.fingerprint == post("", f"value=1&{NUMBER}".encode()).fingerprint
    assert by_query.fingerprint != post(f"{NUMBER}&value=2").fingerprint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("25", "25"), ("25.5", "25.5"), ("0", "0"), (".5", "0.5"), ("007", "7"), ("1.2345", "1.2345")),
        *(("$1,250.00", "1250"), ("1,250,000.00", None), ("1,000,000", "1000000"), ("$3", "3")),
        *(("1000000.0001", None), ("1.23456", None), ("12,50", None), ("1,25.00", None), ("1250,000", None)),
        *(("-5", None), ("%2B5", None), ("NaN", None), ("Infinity", None), ("1e3", None), ("1e400", None)),
        *(("$$5", None), ("5$", None), ("%E2%82%AC5", None), ("5.", None), ("1_000", None), ("0x10", None)),
        *(("%D9%A5", None), ("five", None), ("1 000", None), (",5", None), ("$", None), (".", None)),
        ("9" * 400, None),
    ],
)
def test_values(text: str, value: str | None) -> None:
    asked = post(f"{NUMBER}&value={text}")
    assert asked.value == (None if value is None else Decimal(value))
    assert asked.refused is (Reason.VALUE_INVALID if value is None else None)


@pytest.mark.parametrize("text", ["", "REVENUE", "[revenue]"])
def test_no_value_is_not_a_wrong_one(text: str) -> None:
    asked = post(f"{NUMBER}&value={text}")
    assert (asked.value, asked.refused) == (None, None)


@given(st.text(alphabet="0123456789.,$-+eE _x\u0665", max_size=14))
@example("1,250.00")
@example("12,50")
def test_a_value_is_what_its_plain_definition_says(text: str) -> None:
    bare = text.strip().removeprefix("$")
    grouped = re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{1,4})?", bare) is not None
    plain = re.fullmatch(r"([0-9]{1,12})?(\.[0-9]{1,4})?", bare) is not None and bare not in {"", "."}
    wanted = Decimal(bare.replace(",", "")) if grouped or plain else None
    if wanted is not None and wanted > 1_000_000:
        wanted = None
    body = f'{{"value": "{text}", "caller_number": "2125551212"}}'.encode()
    asked = post("", body, Content_Type=JSON)
    assert asked.value == wanted
    assert asked.refused == (Reason.VALUE_INVALID if text.strip() and wanted is None else None)


@given(st.text(), st.binary(max_size=60))
def test_no_request_breaks_the_wire(query: str, body: bytes) -> None:
    request = make_request(query, body)
    assert isinstance(read_write(request), Write | Refused)
    assert isinstance(read_read(request), Read | Refused)
    assert isinstance(read_post(request), Post | Refused)
