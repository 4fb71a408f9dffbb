"""The data service's wire: outcomes into answers."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data.rules.nouns import Converted, ReadOut, Refused, Whose, Written
from services.data.wire.answers import (
    write_converted,
    write_failed,
    write_open_fault,
    write_preflight,
    write_read_out,
    write_refusal,
    write_text_fault,
    write_written,
)
from shared.domain.http import Fault, HttpAnswer
from shared.domain.reasons import Reason
from tests.support.measures import ROOT

UUID = "01890a5d-ac96-7000-8000-123456789abc"


@pytest.mark.parametrize(
    ("landed", "status"),
    [
        ("live", "in-progress call found, tags may be ignored"),
        ("completed", "completed call found, tags applied"),
        ("stored", "call not found, tags stored"),
    ],
)
def test_where_tags_went(landed: str, status: str) -> None:
    whose = Whose(caller="+12125551212")
    answer = write_written(Written(key_id=3, whose=whose, landed=landed, tags={"zip": "1"}))
    assert json.loads(answer.body) == {
        "tag_values": {"zip": "1"},
        "caller_number": "+12125551212",
        "status": status,
    }
    assert (answer.status, answer.outcome, answer.key_id) == (200, landed, 3)


def test_the_identifier_that_was_used_is_echoed() -> None:
    whose = Whose(caller="+12125551212", call_uuid=UUID)
    told = json.loads(write_written(Written(key_id=3, whose=whose, landed="live", tags={})).body)
    assert (told["call_uuid"], "caller_number" in told) == (UUID, False)


def test_what_was_read() -> None:
    found = write_read_out(ReadOut(key_id=3, whose=Whose(), values={"a": "1"}, found=True))
    none = write_read_out(ReadOut(key_id=3, whose=Whose(), values={}, found=False))
    assert (found.body, dict(found.headers).get("X-Ringpost-Match")) == (b'{"a":"1"}', None)
    assert (none.body, dict(none.headers)["X-Ringpost-Match"]) == (b"{}", "none")


@pytest.mark.parametrize(
    ("value", "shown"), [("25", "25.00"), ("0", "0.00"), ("1250.005", "1250.01"), ("0.0049", "0.00")]
)
def test_a_conversion_is_told_with_two_decimals(value: str, shown: str) -> None:
    answer = write_converted(Converted(key_id=3, call_uuid=UUID, value=Decimal(value)))
    assert (answer.body, answer.content_type) == (
        f"SUCCESS {UUID} {shown}".encode(),
        "text/plain; charset=utf-8",
    )
    assert answer.outcome == "converted"


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (Reason.CALL_NOT_FOUND, 404, "call not found"),
        (Reason.CALL_MISSING, 422, "must include caller_number or call_uuid"),
        (Reason.CALLER_NUMBER_INVALID, 422, "must include caller_number or call_uuid"),
        (Reason.VALUE_INVALID, 422, "invalid value"),
        (Reason.NO_CRITERIA, 422, "no conversion criteria"),
        (Reason.CRITERIA_MISMATCH, 422, "criteria do not match"),
        (Reason.TOO_LATE, 422, "too late"),
        (Reason.KEY_UNKNOWN, 401, "unknown key"),
        (Reason.KEY_MISSING, 401, "unknown key"),
        (Reason.KEY_PAUSED, 403, "key is paused"),
        (Reason.IDEMPOTENCY_MISMATCH, 422, "the Idempotency-Key stands for another request"),
        (Reason.UNAVAILABLE, 503, "try again"),
        (Reason.MARGIN, 500, "internal error"),
    ],
)
def test_the_words_of_a_failed_conversion(reason: Reason, status: int, words: str) -> None:
    answer = write_failed(Refused(reason=reason))
    assert (answer.status, answer.body) == (status, f"FAILED {words}".encode())
    assert answer.content_type.startswith("text/plain")
    assert ("Retry-After" in dict(answer.headers)) is (status == 503)


def test_refusals_and_faults_of_writing_are_open_to_any_origin() -> None:
    fault = Fault(status=503, reason=Reason.UNAVAILABLE, text="busy", request_id="r", retry_after_s=1)
    for answer in (
        write_refusal(Refused(reason=Reason.TAG_WINDOW_CLOSED), "r"),
        write_open_fault(fault),
        write_preflight(),
    ):
        headers = dict(answer.headers)
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers


def test_the_server_s_own_refusals_of_conversions() -> None:
    away = write_text_fault(
        Fault(status=503, reason=Reason.UNAVAILABLE, text="busy", request_id="r", retry_after_s=1)
    )
    assert (away.body, dict(away.headers)["Retry-After"]) == (b"FAILED try again", "1")
    large = write_text_fault(Fault(status=413, reason=Reason.TOO_LARGE, text="too large", request_id="r"))
    assert (large.status, large.body) == (413, b"FAILED too large")


def test_a_preflight_is_answered() -> None:
    answer = write_preflight()
    assert (answer.status, answer.body) == (204, b"")
    assert "POST" in dict(answer.headers)["Access-Control-Allow-Methods"]


# every reason that there is

_KEYS = {Reason.KEY_MISSING, Reason.KEY_UNKNOWN, Reason.KEY_PAUSED, Reason.KEY_AMBIGUOUS, Reason.SCOPE}
_ANYWHERE = _KEYS | {Reason.TOO_MANY_UNKNOWN_KEYS, Reason.BAD_REQUEST, Reason.TAG_INVALID, Reason.UNAVAILABLE}
_named = re.compile(r"Reason\.([A-Z_]+)").findall
_ROOMS = ("rules", "handlers", "store")
# What these say of a request, this service answers.
_BESIDES = ("parameters", "request_keys", "settlement")


def the_reasons() -> list[Reason]:
    """Every reason that the service's own text names, and those that any request may meet."""
    rooms = [path for room in _ROOMS for path in (ROOT / "services/data" / room).rglob("*.py")]
    rooms.append(ROOT / "services/data/wire/requests.py")
    rooms += [ROOT / f"shared/domain/{name}.py" for name in _BESIDES]
    return sorted({Reason[name] for path in rooms for name in _named(path.read_text())} | _ANYWHERE)


@pytest.mark.parametrize("reason", the_reasons())
def test_every_reason_of_this_service_has_a_status_and_words(reason: Reason) -> None:
    told = write_refusal(Refused(reason=reason, key_id=3, caller="+12125551212"), "req-1")
    failed = write_failed(Refused(reason=reason, key_id=3, caller="+12125551212"))
    body = json.loads(told.body)
    assert told.status == failed.status
    assert told.status in {400, 401, 403, 404, 422, 429, 503}
    assert body.pop("error")
    assert body == {"status": "error", "reason": reason, "request_id": "req-1"}
    assert len(failed.body) > len(b"FAILED ")
    for answer in (told, failed):
        assert (answer.reason, answer.key_id, answer.caller) == (reason, 3, "+12125551212")
        assert answer.outcome == ("failed" if answer.status == 503 else "refused")
        assert b"2125551212" not in answer.body


def test_the_scan_for_reasons_finds_them() -> None:
    found = set(the_reasons())
    assert {
        Reason.CALL_NOT_FOUND,
        Reason.TOO_LATE,
        Reason.MAP_KEYS_INVALID,
        Reason.IDEMPOTENCY_MISMATCH,
    } <= found


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.TOO_MANY_UNKNOWN_KEYS])
def test_who_may_come_again_is_told_when(reason: Reason) -> None:
    for answer in (write_refusal(Refused(reason=reason), "r"), write_failed(Refused(reason=reason))):
        assert int(dict(answer.headers)["Retry-After"]) > 0


def test_words_of_its_own_stand_instead_of_a_reason_s_and_conversions_keep_theirs() -> None:
    refused = Refused(reason=Reason.TAG_INVALID, text="at most 100 tags are taken")
    assert json.loads(write_refusal(refused, "r").body)["error"] == "at most 100 tags are taken"
    assert write_failed(refused).body == b"FAILED invalid value"


# who may read it in a browser


def _allowed(answer: HttpAnswer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def test_what_was_written_and_read_is_open_to_any_origin_and_without_credentials() -> None:
    whose = Whose(caller="+12125551212")
    for answer in (
        write_written(Written(key_id=3, whose=whose, landed="live", tags={})),
        write_read_out(ReadOut(key_id=3, whose=whose, values={}, found=True)),
    ):
        assert _allowed(answer) == {"Access-Control-Allow-Origin": "*"}


def test_a_browser_may_see_that_no_call_matched() -> None:
    none = write_read_out(ReadOut(key_id=3, whose=Whose(), values={}, found=False))
    assert _allowed(none) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "X-Ringpost-Match",
    }


def test_conversions_are_for_servers_and_open_to_no_origin() -> None:
    fault = Fault(status=413, reason=Reason.TOO_LARGE, text="too large", request_id="r")
    for answer in (
        write_converted(Converted(key_id=3, call_uuid=UUID, value=Decimal(1))),
        write_failed(Refused(reason=Reason.TOO_LATE)),
        write_text_fault(fault),
    ):
        assert _allowed(answer) == {}


def test_a_preflight_admits_what_a_form_sends() -> None:
    told = _allowed(write_preflight())
    assert told["Access-Control-Allow-Methods"].split(", ") == ["GET", "POST", "OPTIONS"]
    assert {"Content-Type", "X-Api-Key"} <= set(told["Access-Control-Allow-Headers"].split(", "))
    assert int(told["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in told


def test_a_fault_keeps_the_headers_that_it_came_with() -> None:
    allow = (("Allow", "GET, POST"),)
    fault = Fault(status=405, reason=Reason.METHOD_NOT_ALLOWED, text="no", request_id="r", headers=allow)
    assert dict(write_open_fault(fault).headers) == {"Allow": "GET, POST", "Access-Control-Allow-Origin": "*"}
    assert write_text_fault(fault).headers == allow


# successes


def test_a_repeat_is_told_in_the_same_words_and_counted_apart() -> None:
    first = write_converted(Converted(key_id=3, call_uuid=UUID, value=Decimal("25.5")))
    again = write_converted(Converted(key_id=3, call_uuid=UUID, value=Decimal("25.5"), repeat=True))
    assert (first.status, first.body, first.headers) == (again.status, again.body, again.headers)
    assert (first.outcome, again.outcome) == ("converted", "repeat")


@given(st.decimals(0, 1_000_000, places=4))
def test_every_value_is_told_in_cents_half_a_cent_up(value: Decimal) -> None:
    answer = write_converted(Converted(key_id=3, call_uuid=UUID, value=value))
    words = answer.body.decode().split(" ")
    assert words[:2] == ["SUCCESS", UUID]
    assert re.fullmatch(r"[0-9]+\.[0-9]{2}", words[2])
    assert Decimal(words[2]) * 100 == int(value * 100 + Decimal("0.5"))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_whatever_tags_hold_is_told_as_it_was_kept(tags: dict[str, str]) -> None:
    told = write_written(Written(key_id=3, whose=Whose(call_uuid=UUID), landed="stored", tags=tags))
    assert json.loads(told.body)["tag_values"] == tags
    read = write_read_out(ReadOut(key_id=3, whose=Whose(), values=tags, found=True))
    assert json.loads(read.body) == tags
