"""The exemplary cases of caller lists: what a file may say, and how its answers are compared.

A file has: name, spec (the section that it shows) and steps; a step is a request with what is expected: status, headers and
`body`, the whole JSON body. `<time>` and `<uuid>` stand for any, `<reason>` bodies are compared by their reason alone.
`{company}`, `{campaign}`, `{solar}`, `{target}` and `{second_target}` are the ids of the account's entities, `CASE` the name
of the case's own company; `{tomorrow}`, `{tomorrow_in_athens}` (the same moment by another clock), `{next_week}`,
`{yesterday}` and `{after_eleven_years}` are moments.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.services.control.lists.bench import Bench
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Answer, make_sent

FOLDER = Path(__file__).parent / "exemplary"
FILES = sorted(FOLDER.glob("*.json"))
FIELDS = {"name", "spec", "steps"}
REQUEST_FIELDS = {"method", "path", "query", "headers", "form", "json", "body"}
EXPECT_FIELDS = {"status", "headers", "body", "reason"}
_PATTERNS = {
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "<uuid>": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_ID = re.compile(r"\{(company|campaign|solar|target|second_target)\}")
_TEXT = re.compile(r"\{(upload|tomorrow|tomorrow_in_athens|next_week|yesterday|after_eleven_years)\}")


def play(file: Path, bench: Bench, loop: Loop) -> None:
    """One case, in a company of its own."""
    number = FILES.index(file)
    ids = {**loop.run(bench.open_company(number)), **moments()}
    case = json.loads(file.read_text().replace("CASE", f"case{number:04d}"))
    for step in case["steps"]:
        answer = send(bench.service, make_sent({"method": "GET", **filled(step["request"], ids)}, {}))
        compare(answer, filled(step["expect"], ids))
        said = json.loads(answer.body)
        if "caller_list_upload" in said:
            ids["upload"] = said["caller_list_upload"]["id"]


def moments() -> dict[str, str]:
    """What cases call moments by, as answers write them."""
    now = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    days = {"yesterday": -1, "tomorrow": 1, "next_week": 7, "after_eleven_years": 11 * 365}
    told = {name: f"{now + timedelta(days=number):%Y-%m-%dT%H:%M:%S.000Z}" for name, number in days.items()}
    athens = (now + timedelta(days=1)).astimezone(timezone(timedelta(hours=2)))
    return {**told, "tomorrow_in_athens": athens.isoformat()}


def compare(answer: Answer, expect: dict[str, Any]) -> None:
    """Fail unless the answer is what is expected."""
    assert answer.status == expect["status"], answer.body
    said = json.loads(answer.body)
    if "reason" in expect:
        assert list(said) == ["status", "error", "reason", "request_id"]
        assert said["reason"] == expect["reason"]
    if "body" in expect:
        _same(said, expect["body"])
    for name, wanted in expect.get("headers", {}).items():
        assert answer.headers.get(name.lower()) == wanted, name


def _same(given: Any, wanted: Any) -> None:
    if isinstance(wanted, str) and wanted in _PATTERNS:
        assert _PATTERNS[wanted].fullmatch(given)
    elif isinstance(wanted, dict):
        assert list(given) == list(wanted), given
        for name, each in wanted.items():
            _same(given[name], each)
    elif isinstance(wanted, list):
        assert len(given) == len(wanted), given
        for one, other in zip(given, wanted, strict=True):
            _same(one, other)
    else:
        assert (type(given), given) == (type(wanted), wanted)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """The same value with every `{company}` replaced; what is nothing but an id becomes a number."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if not isinstance(value, str):
        return value
    if whole := _ID.fullmatch(value):
        return int(ids[whole[1]])
    return _TEXT.sub(lambda found: ids[found[1]], _ID.sub(lambda found: ids[found[1]], value))
