"""The data service's wire: requests into writes, reads and posts."""

import json
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


# encodings

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\n25.50\r\n'
    b'--b\r\nContent-Disposition: form-data; name="caller_number"\r\n\r\n2125551212\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        (f"{NUMBER}&value=25.50", b"", ""),
        ("", f"{NUMBER}&value=25.50".encode(), _FORM),
        (NUMBER, b"value=25.50", _FORM),
        (f"{NUMBER}&value=1", b"value=25.50", _FORM),
        ("", b'{"caller_number": "(212) 555-1212", "value": 25.50}', JSON),
        ("", b'{"caller_number": 2125551212, "value": "25.50"}', "application/json; charset=utf-8"),
        ("", b'{"caller_number": "+12125551212", "value": "$25.50"}', _FORM),
        ("", _MULTIPART, "multipart/form-data; boundary=b"),
    ],
)
def test_a_post_says_the_same_in_every_encoding(query: str, body: bytes, kind: str) -> None:
    asked = post(query, body, Content_Type=kind)
    assert (asked.whose, asked.value) == (Whose(caller="+12125551212"), Decimal("25.5"))


@pytest.mark.parametrize(
    ("number", "value"),
    [("25", "25"), ("0.1", "0.1"), ("1e3", None), ("-5", None), ("0.00001", None), ("true", None)],
)
def test_a_number_of_json_is_read_as_it_is_written(number: str, value: str | None) -> None:
    asked = post(NUMBER, f'{{"value": {number}}}'.encode(), Content_Type=JSON)
    assert asked.value == (None if value is None else Decimal(value))
    assert asked.refused is (Reason.VALUE_INVALID if value is None else None)


def test_a_null_of_json_is_no_value() -> None:
    asked = post(NUMBER, b'{"value": null}', Content_Type=JSON)
    assert (asked.value, asked.refused) == (None, None)


@pytest.mark.parametrize(
    ("query", "body", "kind", "reason"),
    [
        (NUMBER, b"{", JSON, Reason.BAD_REQUEST),
        (NUMBER, b"[1]", JSON, Reason.BAD_REQUEST),
        (NUMBER, b"value=%zz", _FORM, Reason.BAD_REQUEST),
        (NUMBER, b"value=\xff", _FORM, Reason.BAD_REQUEST),
        (NUMBER, b"<value>1</value>", "application/xml", Reason.BAD_REQUEST),
        (f"{NUMBER}&value=%00", b"", "", Reason.TAG_INVALID),
        (NUMBER, b'{"value": [1]}', JSON, Reason.TAG_INVALID),
        (f"{NUMBER}&key=a&key=b", b"", "", Reason.KEY_AMBIGUOUS),
        (f"{NUMBER}&key=a", b"key=b", _FORM, Reason.KEY_AMBIGUOUS),
    ],
)
def test_what_cannot_be_read_is_refused_alike_at_every_endpoint(
    query: str, body: bytes, kind: str, reason: Reason
) -> None:
    request = replace(make_request(query, body, Content_Type=kind), params={"key": "a"})
    for reader in (read_write, read_read, read_post):
        refused = reader(request)
        assert isinstance(refused, Refused)
        assert refused.reason is reason
        assert refused.key_id == 0


def test_tags_come_by_form_and_by_json_and_the_body_wins() -> None:
    by_form = write(f"key=k&{NUMBER}&zip=1", b"zip=2&plan=gold+card", Content_Type=_FORM)
    by_json = write(f"key=k&{NUMBER}&zip=1", b'{"zip": 2, "plan": "gold card", "x": null}', Content_Type=JSON)
    assert by_form == by_json
    assert isinstance(by_form, Write)
    assert by_form.tags == {"zip": "2", "plan": "gold card"}


# where the key stands


@pytest.mark.parametrize("key", ["[key]", "KEY", ""])
def test_a_key_that_was_never_filled_in_counts_as_absent(key: str) -> None:
    assert reason_of(write(f"key={key}&{NUMBER}")) is Reason.KEY_MISSING
    asked = write(f"key={key}&{NUMBER}", X_Api_Key="k")
    assert isinstance(asked, Write)
    assert asked.token == "k"


def test_the_key_may_stand_in_the_path_a_header_or_the_request_and_is_no_tag() -> None:
    request = make_request(f"{NUMBER}&zip=1")
    sent = (
        replace(request, params={"key": "k"}),
        make_request(f"{NUMBER}&zip=1&key=k"),
        make_request(f"{NUMBER}&zip=1", X_Api_Key="k"),
        make_request(f"{NUMBER}&zip=1", Authorization="Bearer k"),
        make_request(NUMBER, b'{"key": "k", "zip": 1}', Content_Type=JSON),
    )
    wanted = Write(token="k", whose=Whose(caller="+12125551212"), tags={"zip": "1"})
    assert [read_write(each) for each in sent] == [wanted] * len(sent)


def test_the_path_s_key_and_another_one_are_two() -> None:
    request = replace(make_request(f"{NUMBER}&key=other"), params={"key": "k"})
    for reader in (read_write, read_read, read_post):
        assert reason_of(reader(request)) is Reason.KEY_AMBIGUOUS


def test_a_post_without_a_call_still_says_whose_key_it_is() -> None:
    asked = post("value=1", path_key="token")
    assert (asked.token, asked.refused, asked.whose) == ("token", Reason.CALL_MISSING, Whose())


# names

_names = st.text("abcz_09", min_size=1, max_size=6)


@given(st.lists(st.tuples(_names, _names), max_size=6), st.lists(_names, max_size=6))
def test_names_are_read_in_order_with_space_around_them_or_none(
    mapped: list[tuple[str, str]], accepted: list[str]
) -> None:
    map_keys = "%20,".join(f"{theirs}%20:{ours}" for theirs, ours in mapped)
    wanted = (*mapped, *((name, name) for name in accepted))
    assert names(f"map_keys={map_keys}&accept_keys={',%20'.join(accepted)}") == (wanted or None)


def test_more_names_than_a_key_can_have_are_not_looked_for() -> None:
    asked = names("accept_keys=" + ",".join(f"n{place}" for place in range(500)))
    assert isinstance(asked, tuple)
    assert len(asked) == 200


# repeats


def test_the_key_of_a_repeat_is_kept_to_its_first_255_characters() -> None:
    assert post(NUMBER, Idempotency_Key="x" * 300).repeat_key == "x" * 255
    assert post(NUMBER).repeat_key == ""


_said = st.dictionaries(st.text("ab=&", min_size=1, max_size=4), st.text("ab=&1", max_size=6), max_size=4)


@given(_said, _said)
@example({"a": "1&b=2"}, {"a": "1", "b": "2"})
@example({"a=b": "1"}, {"a": "b=1"})
def test_two_posts_have_one_fingerprint_only_when_they_say_the_same(
    first: dict[str, str], second: dict[str, str]
) -> None:
    prints = [
        post(NUMBER, json.dumps(said).encode(), Content_Type=JSON).fingerprint for said in (first, second)
    ]
    assert (prints[0] == prints[1]) == (first == second)


@given(st.decimals(0, 1_000_000, places=4))
def test_an_amount_is_read_as_itself_with_and_without_its_adornments(value: Decimal) -> None:
    for text in (f"{value:f}", f"${value:f}", f"{value:,f}", f"${value:,f}", f"%20{value:f}%20"):
        assert post(f"{NUMBER}&value={text}").value == value, text


@given(st.decimals(Decimal("1000000.0001"), 10**15, places=4))
def test_more_than_a_million_is_no_value_however_it_is_written(value: Decimal) -> None:
    for text in (f"{value:f}", f"${value:,f}"):
        assert post(f"{NUMBER}&value={text}").refused is Reason.VALUE_INVALID
