"""The rtb service's wire: requests into pings and confirms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rtb.rules.nouns import Confirm
from services.rtb.wire import read_confirm, read_show
from shared.domain.formats import wants_xml
from shared.domain.reasons import Reason
from shared.pinging.rules.nouns import Ping, Refused
from shared.pinging.wire import read_ping, write_refusal
from tests.support.requests import make_request

UUID = "01890a5d-ac96-7000-8000-123456789abc"
KEY = "pbk_r_abcdefghijklmnopqrstuvwxyz0123456789"
CALLER = "2125551212"
JSON = "application/json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def ping(query: str = "", body: bytes = b"", **headers: str) -> Ping:
    read = read_ping(make_request(query, body, **headers))
    assert isinstance(read, Ping), read
    return read


def refusal(query: str = "", body: bytes = b"", **headers: str) -> Refused:
    read = read_ping(make_request(query, body, **headers))
    assert isinstance(read, Refused), read
    return read


# pings


def test_a_whole_ping() -> None:
    assert ping(
        f"key={KEY}&source_id=pub_a&caller_number=%2B12125551212&inbound_number=8445550100&campaign_id=auto"
        "&zip=10001&caller_zip=10002&status=x"
    ) == Ping(
        token=KEY,
        publisher="pub_a",
        caller="+12125551212",
        caller_refused=None,
        inbound_number="+18445550100",
        campaign="auto",
        tags={"zip": "10001", "caller_zip": "10002", "status": "x"},
    )


@pytest.mark.parametrize("name", ["publisher_id", "source_id", "affiliate_id"])
def test_publisher_synonyms(name: str) -> None:
    read = ping(f"key=k&{name}=pub_a")
    assert read.publisher == "pub_a"
    assert read.tags == {}


def test_the_first_publisher_synonym_that_is_filled_counts() -> None:
    assert ping("key=k&affiliate_id=c&source_id=b&publisher_id=[publisher_id]").publisher == "b"


@pytest.mark.parametrize(
    ("sent", "caller", "refused"),
    [
        ("caller_number=2125551212", "+12125551212", None),
        ("caller_number=12125551212", "+12125551212", None),
        ("caller_number=+12125551212", "+12125551212", None),
        ("caller_number=%2B12125551212", "+12125551212", None),
        ("caller_number=(212)%20555-1212", "+12125551212", None),
        ("caller_number=%2B442079460000", "+442079460000", None),
        ("", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=[caller_number]", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=CALLER_NUMBER", "", Reason.CALLER_NUMBER_MISSING),
        ("caller_number=123", "", Reason.CALLER_NUMBER_INVALID),
        ("caller_number=anonymous", "", Reason.CALLER_NUMBER_INVALID),
        (f"caller_number={'1' * 30}", "", Reason.CALLER_NUMBER_INVALID),
    ],
)
def test_callers(sent: str, caller: str, refused: Reason | None) -> None:
    read = ping(f"key=k&{sent}")
    assert (read.caller, read.caller_refused) == (caller, refused)


@pytest.mark.parametrize(
    ("sent", "number", "refused"),
    [
        ("", "", False),
        ("inbound_number=[number]", "", False),
        ("inbound_number=1-844-555-0100", "+18445550100", False),
        ("inbound_number=x", "", True),
    ],
)
def test_inbound_numbers(sent: str, number: str, refused: bool) -> None:
    read = ping(f"key=k&{sent}")
    assert (read.inbound_number, read.number_refused) == (number, refused)


def test_json_scalars_become_tags() -> None:
    read = ping(
        "", b'{"key":"k","caller_number":2125551212,"bid":12.50,"homeowner":true,"x":null}', Content_Type=JSON
    )
    assert read.caller == "+12125551212"
    assert read.tags == {"bid": "12.50", "homeowner": "true"}


def test_unfilled_tags_are_absent() -> None:
    assert ping("key=k&zip=[caller_zip]&state=&age=30").tags == {"age": "30"}


@pytest.mark.parametrize("headers", [{"X_Api_Key": "k"}, {"Authorization": "Bearer k"}])
def test_keys_in_headers(headers: dict[str, str]) -> None:
    assert ping("", b"", **headers).token == "k"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", Reason.KEY_MISSING),
        ("key=", Reason.KEY_MISSING),
        ("key=KEY", Reason.KEY_MISSING),
        ("key=a&key=b", Reason.KEY_AMBIGUOUS),
        ("key=k&a=%zz", Reason.BAD_REQUEST),
        ("key=k&a=%ff", Reason.BAD_REQUEST),
        ("key=k&a=%00", Reason.TAG_INVALID),
        ("key=k&a%0a=1", Reason.TAG_INVALID),
        (f"key=k&{'n' * 65}=1", Reason.TAG_INVALID),
        (f"key=k&a={'v' * 513}", Reason.TAG_INVALID),
        ("key=k&" + "&".join(f"t{i}=1" for i in range(101)), Reason.TAG_INVALID),
    ],
)
def test_pings_that_are_not_evaluated(query: str, reason: Reason) -> None:
    assert refusal(query).reason is reason


def test_the_most_that_tags_may_be() -> None:
    names = [f"{'n' * 62}{i:02d}" for i in range(100)]
    assert len(ping("key=k&" + "&".join(f"{name}={'é' * 512}" for name in names)).tags) == 100


def test_a_key_in_the_query_and_another_in_a_header() -> None:
    assert refusal("key=a", X_Api_Key="b").reason is Reason.KEY_AMBIGUOUS


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/rtbs.json", "application/xml", False),
        ("/rtbs.xml", "application/json", True),
        ("/rtbs", "", False),
        ("/rtbs", "*/*", False),
        ("/rtbs", "application/json", False),
        ("/rtbs", "application/xml", True),
        ("/rtbs", "text/xml", True),
        ("/rtbs", "text/xml; charset=utf-8", True),
        ("/rtbs", "Application/XML", False),
        ("/rtbs", "application/json, application/xml", False),
        ("/rtbs", "application/json;q=0.5, application/xml", True),
        ("/rtbs", "application/xml;q=0.5, */*", False),
        ("/rtbs", "application/xml;q=x", False),
        ("/rtbs", BROWSER, True),
        ("/rtbs", "application/xhtml+xml", False),
    ],
)
def test_json_or_xml(path: str, accept: str, expected: bool) -> None:
    request = make_request("key=k", path=path, Accept=accept)
    assert wants_xml(request) is expected
    read = read_ping(request)
    assert read.xml is expected


# confirms and shows


@pytest.mark.parametrize("ending", ["", ".json", ".xml"])
@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("key=k&status=confirmed", b"", ""),
        ("key=k", b"status=confirmed", "application/x-www-form-urlencoded"),
        ("", b'{"key":"k","status":"Confirmed "}', JSON),
    ],
)
def test_confirms(ending: str, query: str, body: bytes, kind: str) -> None:
    request = make_request(query, body, path=f"/rtbs/{UUID}{ending}", Content_Type=kind)
    assert read_confirm(request) == Confirm(token="k", uuid=UUID, xml=ending == ".xml")


@pytest.mark.parametrize(
    ("uuid", "query", "reason"),
    [
        (UUID, "key=k", Reason.STATUS_INVALID),
        (UUID, "key=k&status=claimed", Reason.STATUS_INVALID),
        (UUID, "status=confirmed", Reason.KEY_MISSING),
        (UUID, "key=k&status=%zz", Reason.BAD_REQUEST),
        ("1", "key=k&status=confirmed", Reason.NOT_FOUND),
        ("01890a5d-ac96-4000-8000-123456789abc", "key=k&status=confirmed", Reason.NOT_FOUND),
    ],
)
def test_confirms_that_are_refused(uuid: str, query: str, reason: Reason) -> None:
    read = read_confirm(make_request(query, path=f"/rtbs/{uuid}.xml"))
    assert isinstance(read, Refused)
    assert (read.reason, read.xml) == (reason, True)


def test_shows() -> None:
    assert read_show(make_request("key=k", path=f"/rtbs/{UUID.upper()}.json")) == Confirm(
        token="k", uuid=UUID
    )
    for path, query in ((f"/rtbs/{UUID}.json", ""), ("/rtbs/x.json", "key=k")):
        assert isinstance(read_show(make_request(query, path=path)), Refused)


# fuzz

_secret = "pbk_r_SECRETsecretSECRETsecretSECRETsec"
_kinds = st.sampled_from(
    ["", JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "a/b"]
)
_noise = st.sampled_from(["%zz", "%ff", "%00", "&", "=", "{", "[", "\\u0000", '"', "é", "a", "\n", "x" * 600])


@given(st.text(), st.binary(), _kinds, st.text(max_size=20))
def test_any_bytes_are_a_ping_or_refused(query: str, body: bytes, kind: str, accept: str) -> None:
    request = make_request(query, body, Content_Type=kind, Accept=accept, path="/rtbs")
    assert isinstance(read_ping(request), Ping | Refused)
    assert isinstance(read_confirm(request), Confirm | Refused)


@given(st.lists(_noise, max_size=6), st.booleans(), _kinds, st.booleans())
def test_refusals_hold_neither_key_nor_caller(noise: list[str], in_body: bool, kind: str, xml: bool) -> None:
    text = f"key={_secret}&caller_number={CALLER}&{CALLER}={_secret}&{_secret}{'&'.join(noise)}"
    request = make_request("" if in_body else text, text.encode() if in_body else b"", Content_Type=kind)
    read = read_ping(request)
    if isinstance(read, Refused):
        body = write_refusal(read, "req-1", xml=xml).body
        assert _secret.encode() not in body
        assert CALLER.encode() not in body
