"""What the scripts decided of a ping, as its publisher will be told.

Owns the way from a reply to an outcome, and the counts of it. Must never ask anything again.
"""

from msgspec.structs import replace

from shared.domain.pings import no_target_reason
from shared.domain.reasons import Reason
from shared.domain.reservations import Reservation
from shared.metrics import SHIELD_VERDICTS
from shared.pinging.handlers.desk import Scene
from shared.pinging.rules.nouns import NoTarget, Outcome, Refused, Rejected, Reserved
from shared.pinging.store import Ask
from shared.pinging.store.replies import Doubled, Judged, Limited, Nobody, Taken
from shared.stores.store_counts import count_verdicts


def outcome_of(ask: Ask, judged: Judged, *, scene: Scene) -> Outcome | Refused:
    """What a script's decision means for the ping that asked it, counted."""
    if isinstance(judged, Taken):
        count_verdicts(judged.verdicts, judged.shadow)
        return Reserved(
            uuid=ask.uuid,
            winner=ask.candidates.winners[ask.candidates.seats[judged.place]],
            number=judged.number,
            expires_ms=judged.expires_ms,
            return_dba=scene.settings.return_dba,
        )
    if isinstance(judged, Reservation):
        SHIELD_VERDICTS.add("duplicate", "false")
        return told_again(judged, return_dba=scene.settings.return_dba, repeat=True)
    if isinstance(judged, Doubled):
        SHIELD_VERDICTS.add("duplicate", "false")
        return Rejected(uuid=ask.uuid, reason=Reason.DUPLICATE_CALLER)
    if isinstance(judged, Limited):
        SHIELD_VERDICTS.add("rate_limited", "false")
        return Refused(
            reason=Reason.RATE_LIMITED, key_id=scene.key.id, retry_after_s=-(-judged.wait_ms // 1000)
        )
    assert isinstance(judged, Nobody), "the last candidates were sent, and nothing was out of date"
    count_verdicts(judged.verdicts, judged.shadow)
    candidates = ask.candidates
    reason = no_target_reason(candidates.decided, candidates.dropped, verdicts=judged.verdicts)
    if reason is Reason.CLAIM_RATE:
        SHIELD_VERDICTS.add("claim_rate", "false")
        return Rejected(uuid=ask.uuid, reason=reason)
    return NoTarget(uuid=ask.uuid, reason=reason)


def told_again(held: Reservation, *, return_dba: bool, repeat: bool) -> Reserved:
    """A reservation told again from its stored fields."""
    told = Reserved(uuid=held.uuid, winner=held.winner, number=held.number, expires_ms=held.expires_ms)
    return replace(told, status=held.status, repeat=repeat, return_dba=return_dba)
