"""The exemplary cases: what a file may say, and how its answers and what is stored then are compared.

A file has: name, spec (the section that it shows), account (a file of accounts/; `sales` when it is left out), changes to it
(path: value; null takes it away), calls (bench.py says what one may be), steps, and then. A step is
- a request with what is expected: `body` is one JSON object, its fields in that order, `text` the whole body;
- a further call;
- later: so many seconds pass after the ends of all calls.
`{c1}`, `{c1.key}`, `{c1.start}` and `{c1.reservation}` are a call's uuid, its own key, when it began, and the reservation that
it claimed. `then` is what must be stored at the end: money ([revenue, payout]), revision, publisher and tags by call, the tags
that wait (stored) by caller, the answers in the log, and how many webhooks are owed.
Each case has a company of its own: `CASE` is replaced in its whole text.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.services.data.bench import Bench, Company
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, changed, compare, make_sent

FOLDER = Path(__file__).parent / "exemplary"
FILES = sorted(FOLDER.glob("*.json"))
FIELDS = {"name", "spec", "account", "changes", "calls", "steps", "then"}
STEP_FIELDS = ({"request", "expect"}, {"call"}, {"later"})
CALL_FIELDS = {
    *("as", "caller", "publisher", "campaign", "tags", "buyer", "answered", "ended", "talk", "began"),
    "reservation",
}
OF_CALLS = {"money", "revision", "publisher"}
THEN_FIELDS = OF_CALLS | {"tags", "stored", "log", "webhooks"}
REQUEST_FIELDS = {"method", "path", "query", "headers", "form", "json", "body"}
EXPECT_FIELDS = {"status", "headers", "body", "text"}

_NAME = re.compile(r"\{(c\d(?:\.\w+)?)\}")


def read_case(file: Path, number: int) -> dict[str, Any]:
    """A case with an account of its own, changes already in it."""
    case: dict[str, Any] = json.loads(_own(file.read_text(), number))
    case["account"] = read_account(case.get("account", "sales"), number, case.get("changes", {}))
    return case


def read_account(name: str, number: int, changes: dict[str, Any]) -> dict[str, Any]:
    """A shared account as a company of its own, with changes."""
    account = json.loads(_own((FOLDER / "accounts" / f"{name}.json").read_text(), number))
    return changed(account, changes)


def _own(text: str, number: int) -> str:
    return text.replace("CASE", f"case{number:04d}")


def play(case: dict[str, Any], bench: Bench, loop: Loop) -> None:
    """One case, from its account to what is stored at its end."""
    company = loop.run(bench.open_company(case["account"]))
    names: dict[str, str] = {}
    for step in (*({"call": call} for call in case.get("calls", ())), *case["steps"]):
        if "call" in step:
            names |= loop.run(bench.put(company, step["call"]))
        elif "later" in step:
            loop.run(bench.later(company, by_s=step["later"]))
        else:
            request, expect = filled([step["request"], step["expect"]], names)
            same(send(bench.service, make_sent({"method": "GET", **request}, {})), expect)
    for what, wanted in filled(case.get("then", {}), names).items():
        assert loop.run(_stored(bench, company, what, names=names, wanted=wanted)) == wanted, what
    assert loop.run(bench.sums_are_equal())


async def _stored(
    bench: Bench, company: Company, what: str, *, names: dict[str, str], wanted: dict[str, Any]
) -> Any:
    if what == "tags":
        return {call: await bench.tags(company, names[call]) for call in wanted}
    if what in OF_CALLS:
        return {call: (await bench.call(company, names[call]))[what] for call in wanted}
    return await getattr(bench, what)(company)


def filled(value: Any, names: dict[str, str]) -> Any:
    """The same value with every `{c1}` replaced."""
    if isinstance(value, dict):
        return {filled(name, names): filled(each, names) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, names) for each in value]
    return _NAME.sub(lambda found: names[found[1]], value) if isinstance(value, str) else value


def same(answer: Answer, expect: dict[str, Any]) -> None:
    """Fail unless the answer is what is expected."""
    if "text" in expect:
        assert (answer.status, answer.body.decode()) == (expect["status"], expect["text"])
    else:
        compare(answer, {"status": 200, **expect}, {})
    for name, wanted in expect.get("headers", {}).items():
        assert answer.headers.get(name.lower()) == wanted, name
