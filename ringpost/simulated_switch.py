"""A switch that is played: it brings one call, and its buyers do as a script says.

Owns the switch's side of the generic wire (docs/switches.md). Must never sleep: durations travel in the events. It spells
bodies by itself and reads none of the service's code but the signature, so that it stands for any other switch.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import aiohttp
from msgspec import Struct

from shared.domain.phone import mask
from shared.domain.switching.credentials import Credential
from shared.domain.switching.signatures import signed_headers
from shared.errors import OperatorError

Answer = Mapping[str, Any]
TidsOf = Callable[[str], Awaitable[Mapping[str, str]]]
_PATIENCE = aiohttp.ClientTimeout(total=15)


class Script(Struct, frozen=True, kw_only=True):
    """What happens. Shape: caller "" = anonymous; busy are tids; a live call is left as it is once a buyer has answered.

    Units: seconds from the ring to the answer, and of talk.
    """

    caller: str
    number: str
    answer_s: int = 5
    talk_s: int = 120
    busy: frozenset[str] = frozenset()
    live: bool = False


class Wire:
    """Signed requests to a calls service. Errors: OperatorError when it does not answer, or refuses."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, credential: Credential) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._credential = credential

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """What is answered."""
        text, credential = json.dumps(body).encode(), self._credential
        headers = signed_headers(text, credential.secret, credential_id=credential.id, at_s=int(time.time()))
        sent = self._session.post(self._url + path, data=text, headers=headers, timeout=_PATIENCE)
        try:
            async with sent as response:
                status, answer = response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise OperatorError(f"no calls service answers at {self._url}") from None
        if status != 200:
            raise OperatorError(f"the calls service refused the switch: {answer.get('error', status)}")
        told: Answer = answer
        return told


class SimulatedSwitch:
    """Plays one call. Shape: tids_of tells of a call which buyer each leg dials; say takes the story, line by line."""

    def __init__(self, wire: Wire, script: Script, *, tids_of: TidsOf, say: Callable[[str], None]) -> None:
        self._wire = wire
        self._script = script
        self._tids_of = tids_of
        self._say = say
        self._started_s = self._now_s = time.time()
        self._dialled: dict[str, str] = {}
        self._call_uuid = ""

    async def play(self) -> str:
        """The call from its first ring to its end; its uuid. Errors: OperatorError when it was not taken."""
        script = self._script
        self._say(f"{mask(script.caller) or 'an anonymous caller'} calls {mask(script.number)}")
        body = {"call_id": f"simulated-{uuid4()}", "from": script.caller, "to": script.number}
        step = await self._wire.post("/v1/calls", body)
        self._call_uuid = step.get("call_uuid", "")
        if not self._call_uuid:
            why = step.get("reason") or "nothing can be decided now; the caller got the fallback"
            raise OperatorError(f"the call was not taken: {why}")
        while step["action"] == "dial":
            step = await self._ring(step["legs"])
        if step["action"] == "hangup":
            self._say(
                f"  nobody takes the call: {step['reason']}" if step["reason"] else "  the call is over"
            )
            if step["message"]:
                self._say(f"  the caller hears: {step['message']}")
            await self._end(talked_s=0, by="switch")
        return self._call_uuid

    async def _ring(self, legs: Sequence[Mapping[str, Any]]) -> Answer:
        """Dial what is not dialled yet, all at once; what is next once it is known what became of each."""
        fresh = {leg["leg_id"]: leg["timeout_seconds"] for leg in legs if leg["leg_id"] not in self._dialled}
        if not fresh:
            raise OperatorError("the calls service told the switch to dial the same legs again")
        self._now_s = max(self._now_s, time.time())
        tids = await self._tids_of(self._call_uuid)
        self._dialled |= {leg: tids.get(leg, "a buyer") for leg in fresh}
        self._say(f"  dialling {', '.join(self._dialled[leg] for leg in fresh)}")
        step: Answer = {}
        for leg in [leg for leg in fresh if self._dialled[leg] in self._script.busy]:
            self._say(f"  {self._dialled[leg]} is busy")
            step = await self._tell("busy", leg)
            del fresh[leg]
        in_time = [leg for leg, timeout_s in fresh.items() if self._script.answer_s < timeout_s]
        if in_time:
            return await self._talk(in_time[0])
        self._now_s += max(fresh.values(), default=0)
        for leg, timeout_s in fresh.items():
            self._say(f"  {self._dialled[leg]} does not answer within {timeout_s} s")
            step = await self._tell("no_answer", leg)
        return step

    async def _talk(self, leg: str) -> Answer:
        """A leg is answered, and the caller talks and hangs up; the answer to the call's end."""
        script = self._script
        self._now_s += script.answer_s
        self._say(f"  {self._dialled[leg]} answers after {script.answer_s} s")
        step = await self._tell("answered", leg)
        if step["action"] != "connected":
            return step
        for dropped in step["drop_legs"]:
            self._say(f"  {self._dialled.get(dropped, 'a buyer')} is dropped")
            await self._tell("ended", dropped)
        if script.live:
            self._say("  they talk, and the call stays live")
            return {"action": "over"}
        self._now_s += script.talk_s
        self._say(f"  they talk for {script.talk_s} s, and the caller hangs up")
        await self._tell("ended", leg, connected_duration=script.talk_s)
        await self._end(talked_s=script.talk_s, by="caller")
        return {"action": "over"}

    async def _tell(self, event: str, leg: str, **told: Any) -> Answer:
        body = {"event": event, "leg_id": leg, "at": self._now_s, **told}
        return await self._wire.post(f"/v1/calls/{self._call_uuid}/events", body)

    async def _end(self, *, talked_s: int, by: str) -> None:
        body = {
            "event": "ended",
            "at": self._now_s,
            "duration": self._now_s - self._started_s,
            "connected_duration": talked_s,
            "hung_up_by": by,
        }
        await self._wire.post(f"/v1/calls/{self._call_uuid}/events", body)
