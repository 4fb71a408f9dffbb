"""What a ping leaves behind reads as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pings import (
    OUTRANKED,
    PingEvent,
    TraceRow,
    counts_of,
    decode_event,
    encode_event,
    no_target_reason,
    read_confirmation,
    read_result,
    read_trace,
    write_candidate,
)
from shared.domain.reasons import NO_TARGET_REASONS, Reason, prevailing

FATES = {
    "k": "",
    "c": Reason.BUYERS_CAPPED,
    "g": Reason.BUYERS_CAPPED,
    "s": Reason.CALLER_SUPPRESSED,
    "a": Reason.CALLER_NOT_ACCEPTED,
}
WHOLE = {"S": Reason.CALLER_SUPPRESSED, "A": Reason.CALLER_NOT_ACCEPTED, "N": Reason.NO_NUMBER}
candidates = st.tuples(st.integers(1, 10**9), st.integers(0, 10**9), st.sampled_from(["", "30", "12.5000"]))
dropped_ones = st.lists(st.tuples(candidates, st.sampled_from(NO_TARGET_REASONS)), max_size=6)
letters = st.lists(st.sampled_from("cgsa"), max_size=6)


def written(tried: list[tuple[int, int, str]], dropped: list[tuple[tuple[int, int, str], Reason]]) -> str:
    first = " ".join(write_candidate(buyer, group, bid=bid) for buyer, group, bid in tried)
    return (
        first
        + "\n"
        + " ".join(
            write_candidate(buyer, group, bid=bid, reason=reason) for (buyer, group, bid), reason in dropped
        )
    )


@given(st.lists(candidates, max_size=6), dropped_ones, letters, st.booleans())
def test_every_candidate_comes_back_with_its_reason(
    tried: list[tuple[int, int, str]],
    dropped: list[tuple[tuple[int, int, str], Reason]],
    fates: list[str],
    taken: bool,
) -> None:
    verdicts = "".join([*fates, "k"] if taken else fates)[: len(tried)]
    rows = read_trace(written(tried, dropped), verdicts)
    reasons = [str(FATES[letter]) for letter in verdicts] + [OUTRANKED] * (len(tried) - len(verdicts))
    expected = [*zip(tried, reasons, strict=True), *((one, str(reason)) for one, reason in dropped)]
    assert rows == [
        TraceRow(buyer_id=buyer, group_id=group, bid=bid, reason=reason)
        for (buyer, group, bid), reason in expected
    ]


@pytest.mark.parametrize(("letter", "reason"), WHOLE.items())
def test_what_kept_the_whole_ping_kept_each_candidate(letter: str, reason: Reason) -> None:
    rows = read_trace(written([(1, 0, ""), (2, 0, "")], [((3, 0, ""), Reason.MARGIN)]), letter)
    assert [row.reason for row in rows] == [reason, reason, Reason.MARGIN]


@given(st.lists(candidates, max_size=6), dropped_ones, letters)
def test_the_reason_follows_from_the_trace(
    tried: list[tuple[int, int, str]],
    dropped: list[tuple[tuple[int, int, str], Reason]],
    fates: list[str],
) -> None:
    """The answer and the ping log must agree on it."""
    verdicts = "".join(fates)[: len(tried)].ljust(len(tried), "c")
    rows = read_trace(written(tried, dropped), verdicts)
    counts = counts_of(rows[len(tried) :])
    assert no_target_reason("", counts, verdicts=verdicts) == prevailing(counts_of(rows))


def test_most_candidates_decide_and_ties_go_to_the_later() -> None:
    for i, reason in enumerate(NO_TARGET_REASONS):
        for later in NO_TARGET_REASONS[i + 1 :]:
            assert no_target_reason("", {reason: 2, later: 2}, verdicts="") == later
            assert no_target_reason("", {later: 2, reason: 2}, verdicts="") == later
            assert no_target_reason("", {reason: 3, later: 2}, verdicts="") == reason
    assert " ".join(NO_TARGET_REASONS) == (
        "no_buyers buyers_paused buyers_closed buyers_capped buyers_filtered caller_suppressed"
        " caller_not_accepted margin no_bids outbound_limit deadline campaign_paused publisher_paused no_number"
    )


def test_verdicts_and_dropped_are_counted_together() -> None:
    assert no_target_reason("", {Reason.BUYERS_FILTERED: 2}, verdicts="cgc") == Reason.BUYERS_CAPPED
    assert no_target_reason("", {Reason.BUYERS_CAPPED: 1}, verdicts="css") == Reason.CALLER_SUPPRESSED
    assert no_target_reason("", {}, verdicts="") == Reason.NO_BUYERS


def test_lists_come_before_the_campaign() -> None:
    assert no_target_reason("campaign_paused", {}, verdicts="") == Reason.CAMPAIGN_PAUSED
    for letter, reason in WHOLE.items():
        assert no_target_reason("campaign_paused", {Reason.BUYERS_PAUSED: 9}, verdicts=letter) == reason


def test_an_event_reads_as_it_was_written() -> None:
    event = PingEvent(
        uuid="01935c0a-507b-7011-b132-333435363738",
        company_id=1,
        key_id=2,
        publisher_id=3,
        campaign_id=4,
        caller="",
        now_ms=5,
        version=6,
        number_asked="+18005550000",
        test=True,
        reason="campaign_paused",
        tags={"geo": ("us", "us-ny"), "age": "61"},
    )
    back = decode_event(encode_event(event))
    assert back == event


def test_results_and_confirmations_are_read() -> None:
    result = read_result("reserved|ck|1700000000000|+18005550000|b1,g2||reserved")
    assert (result.kind, result.verdicts, result.expires_ms) == ("reserved", "ck", 1_700_000_000_000)
    assert (result.number, result.subjects, result.original_uuid) == ("+18005550000", "b1,g2", "")
    assert read_result("no-target|N|||||").expires_ms == 0
    confirmation = read_confirmation("u|1700000000000|b1")
    assert (confirmation.uuid, confirmation.at_ms, confirmation.subjects) == ("u", 1_700_000_000_000, "b1")
