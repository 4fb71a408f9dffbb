"""The data service's wire: outcomes into answers."""

import json
from decimal import Decimal

import pytest

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
from shared.domain.http import Fault
from shared.domain.reasons import Reason

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
