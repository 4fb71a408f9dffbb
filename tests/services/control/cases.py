"""The exemplary cases: what a partner asks of a live call, what its switch is told then, and what it asks next.

A file is one of the calls service's (tests/services/calls/cases.py), with these steps besides:
- reject: what a buyer sends: key (the name of a key of the account), group (`East`, or `{group East}` for its id), query, and
  spelling, method and headers where they are not the usual ones; expect has status, text and reason (the header's);
- commands: what the switch was told since, in order;
- answered_ago: that many seconds pass after the answers of all legs.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.services.calls.bench import Switch
from tests.services.calls.cases import EXCHANGES, Play, account_of, matches
from tests.services.control.bench import ControlBench
from tests.services.rtb.cases import Answer, changed

FOLDER = Path(__file__).parent / "exemplary"
FILES = sorted(FOLDER.glob("*.json"))
FIELDS = {"name", "spec", "account", "changes", "steps", "record", "fills"}
DEEDS = {
    "inbound",
    "event",
    "post",
    "twilio",
    "ping",
    "record",
    "fills",
    "reject",
    "commands",
    "answered_ago",
}
STEP_FIELDS = DEEDS | {"expect", "call"}
REJECT_FIELDS = {"key", "group", "query", "spelling", "method", "headers"}

_GROUP = re.compile(r"\{group (\w+)\}")


def read_case(file: Path, number: int) -> dict[str, Any]:
    """A case, with its account as a company of its own."""
    text = (
        file.read_text().replace("CASE", f"control{number:04d}").replace("844555", "845" + EXCHANGES[number])
    )
    case: dict[str, Any] = json.loads(text)
    return {**case, "account": own_account(case["account"], number, case.get("changes", {}))}


def own_account(name: str, number: int, changes: dict[str, Any]) -> dict[str, Any]:
    """A shared account as a company of its own, with numbers of its own."""
    account = account_of(name, 0, {}, folder=FOLDER)
    text = (
        json.dumps(account)
        .replace("case0000", f"control{number:04d}")
        .replace("+1844200", "+1845" + EXCHANGES[number])
    )
    return changed(json.loads(text), changes)


class ControlPlay(Play):
    """One case as it is played."""

    def __init__(self, bench: ControlBench, *, switch: Switch, account: dict[str, Any]) -> None:
        super().__init__(bench.calls, bench.loop, switch=switch, stranger=switch)
        self._control = bench
        self._tokens = {key["name"]: key["token"] for key in account["postback_keys"]}
        bench.commands()

    def play(self, step: dict[str, Any]) -> None:
        """One step."""
        if "reject" in step:
            told = self._rejected(self._filled(step["reject"]))
            matches(self._filled({"status": 200, **step.get("expect", {})}), told)
        elif "commands" in step:
            matches(self._filled(step["commands"]), self._control.commands())
        elif "answered_ago" in step:
            self._control.age(self._switch, seconds=step["answered_ago"])
        else:
            super().play(step)

    def _rejected(self, asked: dict[str, Any]) -> dict[str, Any]:
        group = _GROUP.sub(lambda found: self._control.group_id(self._switch, found[1]), asked["group"])
        path = f"/{asked.get('spelling', 'handler_groups')}/{group}/call_control/reject"
        query = dict(asked.get("query", {}))
        if "key" in asked:
            query["key"] = self._tokens.get(asked["key"], asked["key"])
        answer = self._control.ask(
            path, query, method=asked.get("method", "GET"), headers=asked.get("headers", {})
        )
        return _read(answer)


def _read(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "text": answer.body.decode(),
        "reason": answer.headers.get("x-ringpost-reason", ""),
    }
