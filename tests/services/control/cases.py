"""The exemplary cases: what a partner asks of a live call, what its switch is told then, and what it asks next.

A file is one of the calls service's (tests/services/calls/cases.py), with these steps besides:
- reject: what a buyer sends: key (the name of a key of the account), group (`East`, or `{group East}` for its id), query, and
  spelling, method and headers where they are not the usual ones; expect has status, text and reason (the header's);
- ask: any other request: method, path, query, headers, form or json, and key (its token goes as `key`) or api_key; expect has
  status, reason (the header's), body (JSON, some of its fields), text (the whole), html (what the page holds), not (what it
  must not hold);
- commands: what the switch was told since, in order;
- told: what the address of commands answers from now on: a status, 200 at first;
- apply: changes to the account file, applied again; expect has refused, where its problems are;
- answered_ago: that many seconds pass after the answers of all legs.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.services.calls.bench import Switch
from tests.services.calls.cases import EXCHANGES, Play, account_of, matches
from tests.services.control.bench import ControlBench
from tests.services.rtb.cases import Answer, changed
from tests.support.receiver import answer

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
    "ask",
    "commands",
    "answered_ago",
    "told",
    "apply",
}
STEP_FIELDS = DEEDS | {"expect", "call"}
REJECT_FIELDS = {"key", "group", "query", "spelling", "method", "headers"}

_ENTRY = re.compile(r"\{entry (\w+)\}")
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
        self._account = account
        self._tokens = {key["name"]: key["token"] for key in account["postback_keys"]}
        bench.commands()
        bench.receiver.plan(answer())

    def play(self, step: dict[str, Any]) -> None:
        """One step."""
        if "reject" in step:
            told = self._rejected(self._filled(step["reject"]))
            matches(self._filled({"status": 200, **step.get("expect", {})}), told)
        elif "ask" in step:
            self._asked(self._filled(step["ask"]), step.get("expect", {}))
        elif "apply" in step:
            self._account = changed(self._account, step["apply"])
            assert self._control.apply(self._account) == step.get("expect", {}).get("refused", [])
        elif "told" in step:
            self._control.receiver.plan(answer(step["told"]))
        elif "commands" in step:
            commands = self._control.commands()
            self._name("leg", *(each.get("leg_id", "") for each in commands))
            matches(self._filled(step["commands"]), commands)
        elif "answered_ago" in step:
            self._control.age(self._switch, seconds=step["answered_ago"])
        else:
            super().play(step)

    def _asked(self, asked: dict[str, Any], expect: dict[str, Any]) -> None:
        query, headers, body = dict(asked.get("query", {})), dict(asked.get("headers", {})), b""
        for name in ("key", "api_key"):
            if name in asked:
                query[name] = self._tokens.get(asked[name], asked[name])
        if "json" in asked:
            headers["Content-Type"], body = "application/json", json.dumps(asked["json"]).encode()
        if "form" in asked:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode({name: self._entry(value) for name, value in asked["form"].items()}).encode()
        given = self._control.ask(
            asked["path"], query, method=asked.get("method", "GET"), headers=headers, body=body
        )
        if given.headers["content-type"] == "application/json":
            self._learn(given.json())
        text, wanted = given.body.decode(), self._filled(expect)
        assert given.status == wanted.get("status", 200), text
        if "body" in wanted:
            matches(wanted["body"], given.json())
        assert wanted.get("text", text) == text
        assert wanted.get("reason", "") in {"", given.headers.get("x-ringpost-reason")}
        assert [each for each in wanted.get("html", ()) if each not in text] == [], text
        assert [each for each in wanted.get("not", ()) if each in text] == [], text

    def _learn(self, told: Any) -> None:
        """A transfer is a leg as well."""
        uuid = told.get("transfer_uuid", "") if isinstance(told, dict) else ""
        if uuid and uuid not in self._names.values():
            self._names[f"transfer {self._count('transfer') + 1}"] = uuid
            self._names[f"leg {self._count('leg') + 1}"] = uuid

    def _entry(self, value: str) -> str:
        """`{entry Anna}` is the id of a directory's entry."""
        return _ENTRY.sub(lambda found: self._control.entry_id(self._switch, found[1]), value)

    def _rejected(self, asked: dict[str, Any]) -> dict[str, Any]:
        group = _GROUP.sub(lambda found: self._control.group_id(self._switch, found[1]), asked["group"])
        path = f"/{asked.get('spelling', 'handler_groups')}/{group}/call_control/reject"
        query = dict(asked.get("query", {}))
        if "key" in asked:
            query["key"] = self._tokens.get(asked["key"], asked["key"])
        given = self._control.ask(
            path, query, method=asked.get("method", "GET"), headers=asked.get("headers", {})
        )
        return _read(given)


def _read(given: Answer) -> dict[str, Any]:
    return {
        "status": given.status,
        "text": given.body.decode(),
        "reason": given.headers.get("x-ringpost-reason", ""),
    }
