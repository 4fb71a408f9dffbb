"""What a ping changes: reservations, holds and the event, each step in one script.

Owns reserve.lua, admit.lua, settle.lua and the reading of their replies. Must never decide who gets a caller.

Failure policy: Redis away, late or cold is Unavailable: a 503, and nothing has been promised.
"""

from typing import Any

from msgspec import Struct

from shared.domain.lists import bucket_of
from shared.domain.reasons import Reason
from shared.domain.routing.candidates import Candidates
from shared.pinging.store.forms import Form, Terms, fixed_part
from shared.pinging.store.replies import Admitted, Judged, admitted, judged
from shared.stores.prelude import CALLERS, FENCE, FINISHES, LISTS, PLACES, SHIELDS, hot_script
from shared.stores.redis import Fixed, Redis
from shared.stores.redis_faults import ReplyError

_OPENING = (FENCE, PLACES, LISTS, CALLERS, SHIELDS, FINISHES, "opening")
RESERVE = hot_script(__file__, "reserve", *_OPENING, "candidates")
ADMIT = hot_script(__file__, "admit", *_OPENING, "candidates")
SETTLE = hot_script(__file__, "settle", *_OPENING)
SCRIPTS = (RESERVE, ADMIT, SETTLE)
NO_BUCKET = (0, "")


class Ask(Struct, frozen=True, kw_only=True, gc=False):
    """One ping, evaluated, for a script to judge.

    Shape: caller is E.164 or ""; numbers and tags_seen as the scripts take them, flags, noted and then as opening.lua says of
    arguments 4, 11 and 13; event is encoded.
    """

    form: Form
    caller: str
    uuid: str
    now_ms: int
    candidates: Candidates
    numbers: str
    tags_seen: str
    event: bytes
    flags: str = ""
    noted: str = ""
    then: str = ""


class PingStore:
    """Reservations, in Redis. Units: soft and hard in waiting stream entries."""

    def __init__(self, redis: Redis, *, soft: int, hard: int, has_sip: bool) -> None:
        self._redis = redis
        self._lengths = (str(soft), str(hard))
        self._sip_flag = "s" if has_sip else ""

    def form(self, terms: Terms) -> Form:
        """What can be written down once for all pings of these terms."""
        reserve, admit, settle = (
            fixed_part(terms, script, lengths=self._lengths, more_flags=self._sip_flag) for script in SCRIPTS
        )
        return Form.of(terms, reserve=reserve, admit=admit, settle=settle)

    async def reserve(self, ask: Ask) -> Judged:
        """Judge and reserve. Errors: Unavailable. Cost: one round trip."""
        return judged(await self._run(ask, ask.form.reserve))

    async def admit(self, ask: Ask) -> Judged | Admitted:
        """Which of the candidates may be asked for their bids. Errors: Unavailable. Cost: one round trip."""
        told = admitted(await self._run(ask, ask.form.admit))
        assert told is not None, "admit.lua keeps and gives back nothing"
        return told

    async def settle(self, ask: Ask) -> None:
        """Log a reservation whose winner was posted to; with nothing noted, give it back. Errors: Unavailable."""
        admitted(await self._run(ask, ask.form.settle))

    async def _run(self, ask: Ask, fixed: Fixed) -> Any:
        shard = ask.form.shard
        packed = fixed.packed(self._own_part(ask))
        reply = await self._redis.link_for(shard).send(packed)
        if reply.__class__ is ReplyError:
            reply = await self._redis.after_fault(reply, fixed.script, shard=shard, packed=packed)
        return reply

    def _own_part(self, ask: Ask) -> tuple[str | bytes, ...]:
        """The keys and arguments that differ from ping to ping, in the scripts' order."""
        form, caller, candidates = ask.form, ask.caller, ask.candidates
        bucket, field = bucket_of(caller, form.list_buckets) if form.list_buckets and caller else NO_BUCKET
        return (
            form.callers + caller if caller else form.anonymous,
            form.reservations + ask.uuid,
            form.buckets + str(bucket),
            self._redis.run_id_of(form.shard),
            str(ask.now_ms),
            ask.uuid,
            _flags(ask),
            ask.tags_seen,
            field,
            ask.numbers,
            candidates.packed,
            ask.event,
            candidates.trace,
            ask.noted,
            caller,
            ask.then,
        )


def _flags(ask: Ask) -> str:
    candidates = ask.candidates
    return (
        ask.flags
        + ("" if ask.caller else "a")
        + ("m" if candidates.more else "")
        + ("p" if candidates.decided == Reason.PUBLISHER_PAUSED else "")
    )
