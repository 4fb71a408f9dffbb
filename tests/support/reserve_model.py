"""reserve.lua over again, in Python.

Owns the model of a ping's walk, in the plainest words. Must never talk to Redis.
"""

from copy import deepcopy

import msgspec

from shared.domain.pings import decode_winner
from shared.domain.reservations import Reservation, read_reservation, write_reservation
from shared.domain.routing.subjects import FlatCaps
from shared.domain.stored_tags import StoredTags
from shared.pinging.store.replies import Doubled, Judged, Limited, More, Nobody, Taken
from shared.stores import redis_keys
from tests.support.asks import Draft
from tests.support.models import AWAY, SHARD, Shard, Terms, fenced, full, hold, release_due
from tests.support.plans import unpacked


def reserve(before: Shard, ask: Draft, now: int, terms: Terms) -> tuple[Judged | str, Shard]:
    """What reserve.lua must answer at a moment, and leave behind."""
    shard = deepcopy(before)
    refusal = fenced(shard, ask.plan.company.id, ask.version, ask.now_ms, now)
    if refusal is not None:
        return refusal, shard
    if len(shard.events) >= terms.hard:
        return AWAY, shard
    release_due(shard, now)
    return _Reserve(shard, ask, now, terms).judge(), shard


def _verdict(text: str, member: set[int]) -> str:
    levels = [(part[0], {int(one) for one in part[1:].split(",")}) for part in text.split()]
    if any(kind == "S" and ids & member for kind, ids in levels):
        return "s"
    return "a" if any(kind == "A" and not ids & member for kind, ids in levels) else ""


class _Reserve:
    """One ping's walk, rule by rule."""

    def __init__(self, shard: Shard, ask: Draft, now: int, terms: Terms) -> None:
        self.shard, self.ask, self.now, self.terms = shard, ask, now, terms
        self.test, self.key = ask.settings.test, str(ask.key.id)
        self.place = self._place()
        self.seen = dict(shard.hashes.get(self.place, {}))
        self.waiting = len(shard.events)

    def _place(self) -> str:
        ask = self.ask
        if self.test:
            return redis_keys.test_caller(SHARD, ask.key.id, e164=ask.caller)
        if not ask.caller:
            return redis_keys.leases(SHARD, ask.plan.campaign_id)
        return redis_keys.caller(SHARD, ask.plan.company.id, e164=ask.caller)

    def judge(self) -> Judged:
        ask = self.ask
        stored = [self._live(self.seen.get(name)) for name in ("t0", f"t{ask.publisher_id}")]
        seen = ":".join(text.partition("|")[0] or "0" for text in stored)
        if seen != ask.tags_seen:
            tags: dict[str, str] = {}
            for text in filter(None, stored):
                tags |= msgspec.json.decode(text.split("|", 2)[2])
            return StoredTags(seen=seen, tags=tags)
        if ask.candidates.decided == "publisher_paused":
            return self._nobody("")
        member = self._member()
        whole = _verdict(ask.lists, member)
        if whole:
            return self._nobody(whole.upper())
        earlier = self._earlier()
        if earlier:
            return self._again(earlier)
        return self._first(member)

    def _first(self, member: set[int]) -> Judged:
        ask, rate = self.ask, self.ask.settings.rate_limit_per_second
        shadow = ""
        if rate and not ask.verdicts:
            second = self.now // 1_000
            at, n = self.shard.rates.get(redis_keys.key_state(SHARD, ask.key.id), (0, 0))
            n = n if at == second else 0
            if n >= rate and "rate_limit" not in ask.settings.shadow:
                return Limited(wait_ms=(second + 1) * 1_000 - self.now)
            shadow = "r" if n >= rate else ""
            self.shard.rates[redis_keys.key_state(SHARD, ask.key.id)] = (second, n + 1)
        candidates = unpacked(ask.candidates)
        number = self._number()
        if number is None and not self.terms.has_sip and candidates:
            return self._nobody("N", shadow)
        verdicts = ask.verdicts
        for place, (caps, lists, winner) in enumerate(candidates):
            verdict = _verdict(lists, member) or full(self.shard, caps)
            verdicts += verdict or "k"
            if not verdict:
                expires = self._take(caps, winner, number or "", verdicts)
                return Taken(
                    place=place, number=number or "", expires_ms=expires, verdicts=verdicts, shadow=shadow
                )
        return More(verdicts=verdicts) if ask.candidates.more else self._nobody(verdicts, shadow)

    def _live(self, text: str | None) -> str:
        return text if text and int(text.split("|")[1]) > self.now else ""

    def _member(self) -> set[int]:
        if not self.ask.listed or not self.ask.caller:
            return set()
        generations = self.shard.listed.get(self.ask.caller[1:], [])
        return {self.shard.generations[one] for one in generations if one in self.shard.generations}

    def _earlier(self) -> str:
        """The reservation that this ping repeats; an anonymous caller repeats none."""
        ask = self.ask
        if not ask.caller:
            return ""
        own = self._live(self.seen.get(f"k{self.key}"))
        if ask.settings.ping_shield_scope == "key":
            return own
        campaign = str(ask.plan.campaign_id)
        return own if own and own.split("|")[5] == campaign else self._shield(campaign)

    def _shield(self, campaign: str) -> str:
        """The campaign's live reservation, whichever key made it."""
        pointed = self.seen.get(f"m{campaign}", "")
        text = self._live(pointed if "|" in pointed else self.seen.get(f"k{pointed}"))
        return text if text and text.split("|")[5] == campaign else ""

    def _again(self, earlier: str) -> Judged:
        held = read_reservation(earlier.encode())
        if held.publisher_id != self.ask.publisher_id:
            self._log(f"duplicate|||||{held.uuid}|rejected")
            return Doubled(original_uuid=held.uuid)
        result = f"repeat||{held.expires_ms}|{held.number}||{held.uuid}|{held.status}"
        self._log(result, w=earlier.partition("\n")[2])
        return held

    def _number(self) -> str | None:
        numbers = [number for number in self.ask.numbers.split(",") if number]
        taken = {number: self._live(self.seen.get(f"n{number}")) for number in numbers}
        free = [number for number in numbers if not taken[number]]
        if not self.ask.caller:
            ours = sum(text.endswith(f"|{self.key}") for text in taken.values())
            if ours + 1 > max(1, len(numbers) // 2):
                return None
        return free[0] if free else None

    def _take(self, caps: FlatCaps, winner: str, number: str, verdicts: str) -> int:
        ask, ttl = self.ask, self.ask.settings.ttl_seconds * 1_000
        expires = self.now + ttl
        holds = ask.settings.add_to_caps_on_status_reserved and not self.test
        subjects = hold(self.shard, caps, ask.uuid, expires) if holds else ""
        held = Reservation(
            status="reserved",
            expires_ms=expires,
            company_id=ask.plan.company.id,
            key_id=ask.key.id,
            publisher_id=ask.publisher_id,
            campaign_id=ask.plan.campaign_id,
            number=number,
            subjects=subjects,
            caller=ask.caller,
            uuid=ask.uuid,
            winner=decode_winner(winner),
        )
        text = write_reservation(held).decode()
        self.shard.reservations[ask.uuid] = text
        self._remember(held, text)
        self._log(
            f"reserved|{verdicts}|{expires}|{number}|{subjects}||reserved", w=winner, t=ask.candidates.trace
        )
        return expires

    def _remember(self, held: Reservation, text: str) -> None:
        fields = dict(self.seen)
        if held.caller:
            old = self._live(self.seen.get(f"k{self.key}"))
            place = f"m{old.split('|')[5]}" if old else ""
            if old and fields.get(place) == self.key:
                fields[place] = old
            fields[f"k{self.key}"] = text
            shield = self._shield(str(held.campaign_id))
            if not shield or int(shield.split("|")[1]) <= held.expires_ms:
                fields[f"m{held.campaign_id}"] = self.key
        if held.number and held.caller:
            fields[f"n{held.number}"] = f"{held.uuid}|{held.expires_ms}"
        elif held.number:
            fields[f"n{held.number}"] = f"{held.uuid}|{held.expires_ms + 30_000}|{self.key}"
        if fields:
            self.shard.hashes[self.place] = fields

    def _nobody(self, verdicts: str, shadow: str = "") -> Nobody:
        self._log(f"no-target|{verdicts}|||||", t=self.ask.candidates.trace)
        return Nobody(verdicts=verdicts, shadow=shadow)

    def _log(self, result: str, **more: str) -> None:
        if self.waiting >= self.terms.soft:
            more.pop("t", None)
        self.shard.events.append({"e": self.ask.event.decode(), "r": result, **more})
