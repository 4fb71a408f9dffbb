"""The exemplary cases: what a file may say, how it is played, and how what comes of it is compared.

A file has: name, spec (the section that it shows), account (a file of accounts/), changes to it (path: value; null takes it
away), steps, and record and fills as they are at the end. A step is one of
- inbound: the body of a generic switch's call; call_id is `call-1`, `call-2`, ... when it is left out;
- event: the body of a report of the call that came last (`call`: of an earlier one); leg is 1 for the first that was dialled,
  at is in seconds after the call's begin;
- post: any body to any path; twilio: a form to any path;
- ping: the query of a partner's ping, with the account's first key;
- stored_tags, age: what was stored before, and how old reservations are made (bench.py);
- record, fills: what must be true meanwhile.
`expect` is what must be in the answer. signed: wrongly, long ago, not; by: another company's switch. `{call 1}`, `{leg 1}`,
`{ping 1}` and `{number 1}` (a ping's) are what the first answer that named one said; `{any}` is any text.
Each case gets an account of its own: `CASE` and the exchange 844-555 are replaced in its whole text.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.domain import uuid7
from tests.services.calls.bench import Bench, Switch
from tests.services.rtb.bench import Loop
from tests.services.rtb.cases import Answer, changed

FOLDER = Path(__file__).parent / "exemplary"
FILES = sorted(FOLDER.glob("*.json"))
FIELDS = {"name", "spec", "account", "changes", "steps", "record", "fills"}
DEEDS = {"inbound", "event", "post", "twilio", "ping", "stored_tags", "age", "record", "fills"}
STEP_FIELDS = DEEDS | {"expect", "signed", "by", "call"}

EXCHANGES = [str(code) for code in range(200, 1000) if code % 100 != 11]
_NAME = re.compile(r"\{(\w+ [0-9]+)\}")
_ADDRESS = re.compile(r'action="([^"]+)"')


def read_case(file: Path, number: int) -> dict[str, Any]:
    """A case in an account of its own."""
    case: dict[str, Any] = _own(file.read_text(), number)
    return case


def account_of(name: str, number: int, changes: dict[str, Any], *, folder: Path = FOLDER) -> dict[str, Any]:
    """A shared account as a company of its own, with changes."""
    account = _own((folder / "accounts" / f"{name}.json").read_text(), number)
    return changed(account, _own(json.dumps(changes), number))


def _own(text: str, number: int) -> Any:
    return json.loads(text.replace("CASE", f"case{number:04d}").replace("844555", "844" + EXCHANGES[number]))


class Play:
    """One case as it is played."""

    def __init__(self, bench: Bench, loop: Loop, *, switch: Switch, stranger: Switch) -> None:
        self._bench = bench
        self._loop = loop
        self._switches = {"own": switch, "another company": stranger}
        self._switch = switch
        self._names: dict[str, str] = {}

    def play(self, step: dict[str, Any]) -> None:
        """One step."""
        step = self._filled(step)
        if "stored_tags" in step:
            self._loop.run(self._bench.store_tags(self._switch, step["stored_tags"]))
        elif "age" in step:
            self._loop.run(self._bench.age(self._switch, **step["age"]))
        elif "fills" in step:
            matches(step["fills"], self._loop.run(self._bench.fills(self._switch)))
        elif "record" in step:
            matches(step["record"], self._loop.run(self._bench.record(self._call(step))))
        else:
            answer = self._sent(step)
            told = self._learned(answer)
            wanted = self._filled({"status": 200, **step.get("expect", {})})
            matches(wanted, {**told, "status": answer.status})

    def _sent(self, step: dict[str, Any]) -> Answer:
        switch, signed = self._switches[step.get("by", "own")], step.get("signed", "rightly")
        if "ping" in step:
            return self._bench.ping({"key": switch.key, **step["ping"]})
        if "twilio" in step:
            target, form = step["twilio"]["path"], step["twilio"].get("form", {})
            return self._bench.post_twilio(switch, target, form, signed=signed)
        if "inbound" in step:
            path, body = "/v1/calls", json.dumps({"call_id": self._next("call"), **step["inbound"]})
        elif "event" in step:
            path, body = f"/v1/calls/{self._call(step)}/events", json.dumps(self._event(step))
        else:
            path, body = step["post"]["path"], step["post"]["body"]
        return self._bench.post(switch, path, body.encode(), signed=signed)

    def _event(self, step: dict[str, Any]) -> dict[str, Any]:
        """Half a second later than told, so that seconds are whole ones whenever a leg was dialled."""
        event = dict(step["event"])
        if "leg" in event:
            event["leg_id"] = self._names[f"leg {event.pop('leg')}"]
        if "at" in event:
            event["at"] += uuid7.ms_of(self._call(step)) / 1000 + 0.5
        return event

    def _call(self, step: dict[str, Any]) -> str:
        return self._names[f"call {step.get('call', self._count('call'))}"]

    def _count(self, kind: str) -> int:
        return sum(name.startswith(f"{kind} ") for name in self._names)

    def _next(self, kind: str) -> str:
        return f"{kind}-{self._count(kind) + 1}"

    def _learned(self, answer: Answer) -> dict[str, Any]:
        """What an answer says; the calls, legs and pings that it names get their names."""
        if answer.headers["content-type"] != "application/json":
            text = answer.body.decode()
            found = _ADDRESS.search(text)
            query = parse_qs(urlsplit(found[1].replace("&amp;", "&")).query) if found else {}
            self._name("call", *query.get("call", ()))
            self._name("leg", *query.get("leg", ("",))[0].split(","))
            return {"twiml": text.replace('"', "'")}
        told = answer.json()
        self._name("call", told.get("call_uuid", ""))
        self._name("leg", *(leg["leg_id"] for leg in told.get("legs", ())))
        if "inbound_number" in told:
            self._name("ping", told["uuid"])
            self._names.setdefault(f"number {self._count('ping')}", told["inbound_number"])
        return told

    def _name(self, kind: str, *values: str) -> None:
        for value in values:
            if value and value not in self._names.values():
                self._names[f"{kind} {self._count(kind) + 1}"] = value

    def _filled(self, value: Any) -> Any:
        """The same with every name that is known replaced."""
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, str):
            return _NAME.sub(lambda found: self._names.get(found[1], found[0]), value)
        return value


def matches(wanted: Any, given: Any, where: str = "") -> None:
    """Fail unless all that is wanted is given. Shape: of an object some fields, of a list all."""
    if isinstance(wanted, dict):
        assert isinstance(given, dict), (where, given)
        for name, each in wanted.items():
            assert name in given, (f"{where}.{name}", given)
            matches(each, given[name], f"{where}.{name}")
    elif isinstance(wanted, list) and isinstance(given, list):
        assert len(given) == len(wanted), (where, given)
        for place, each in enumerate(wanted):
            matches(each, given[place], f"{where}.{place}")
    elif isinstance(wanted, str) and isinstance(given, str) and "{any}" in wanted:
        assert re.fullmatch(".+".join(map(re.escape, wanted.split("{any}"))), given), (where, given, wanted)
    else:
        assert (isinstance(given, bool), given) == (isinstance(wanted, bool), wanted), (where, given)
