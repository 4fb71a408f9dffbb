"""The exemplary cases: what a file may say, and how its answer is compared.

A file has: name, spec (the section it shows), account (a file of accounts/), changes to it (path: value; null
takes it away), given (earlier steps), request, expect, and sip_domain to have another.
Each case gets an account of its own: `CASE` and the exchange 844-555 are replaced in its whole text.
"""

import json
import re
from copy import deepcopy
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from defusedxml import ElementTree
from msgspec import Struct

FOLDER = Path(__file__).parent / "exemplary"
FILES = sorted(FOLDER.glob("*.json"))
FIELDS = {"name", "spec", "account", "changes", "given", "request", "expect", "sip_domain"}
STEP_FIELDS = ({"request", "as", "expect"}, {"fills"}, {"finished"}, {"stored_tags"}, {"changes", "prune"})
REQUEST_FIELDS = {"method", "path", "query", "headers", "body", "form", "json"}
EXPECT_FIELDS = {"status", "headers", "body", "xml"}

_EXCHANGES = [str(code) for code in range(200, 1000) if code % 100 != 11]
_PATTERNS = {
    "uuid": r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})",
    "iso time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    "text": r".+",
}
_PLACEHOLDER = re.compile(r"<([^<>]+)>")
_EARLIER = re.compile(r"\{(\w+)\.(\w+)\}")


class Answer(Struct, frozen=True, kw_only=True):
    """What came back. Shape: headers by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as one object."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    def said(self) -> dict[str, Any]:
        """The fields of the body, JSON or XML."""
        if not self.body.startswith(b"<?xml"):
            return self.json()
        root = ElementTree.fromstring(self.body)
        assert root.tag == "rtb"
        return {child.tag: child.text or "" for child in root}


class Sent(Struct, frozen=True, kw_only=True):
    """One request as it goes out."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def read_case(file: Path, number: int) -> dict[str, Any]:
    """A case with an account of its own, changes already in it."""
    case: dict[str, Any] = _own(file.read_text(), number)
    case["account"] = read_account(case["account"], number, case.get("changes", {}))
    return case


def read_account(name: str, number: int, changes: dict[str, Any]) -> dict[str, Any]:
    """A shared account as a company of its own, with changes."""
    account = _own((FOLDER / "accounts" / f"{name}.json").read_text(), number)
    return changed(account, _own(json.dumps(changes), number))


def _own(text: str, number: int) -> Any:
    return json.loads(text.replace("CASE", f"case{number:04d}").replace("844555", "844" + _EXCHANGES[number]))


def changed(account: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The account with each path set or, by null, taken away; a path may name the element behind a list's last."""
    account = deepcopy(account)
    for path, value in changes.items():
        *way, last = path.split(".")
        place: Any = account
        for part in way:
            place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
        if value is None:
            place.pop(int(last) if last.isdigit() else last)
        elif not last.isdigit():
            place[last] = value
        elif int(last) == len(place):
            place.append(value)
        else:
            place[int(last)] = value
    return account


def make_sent(request: dict[str, Any], earlier: dict[str, Answer]) -> Sent:
    """The request of a case in bytes; `{first.uuid}` is a field of what an earlier step answered."""
    request = filled(request, earlier)
    headers = dict(request.get("headers", {}))
    body = request.get("body", "").encode()
    if "form" in request:
        body, kind = urlencode(request["form"]).encode(), "application/x-www-form-urlencoded"
        headers.setdefault("Content-Type", kind)
    if "json" in request:
        body = json.dumps(request["json"]).encode()
        headers.setdefault("Content-Type", "application/json")
    query = request.get("query", {})
    query = query if isinstance(query, str) else urlencode(query)
    target = request["path"] + (f"?{query}" if query else "")
    return Sent(method=request["method"], target=target, headers=headers, body=body)


def filled(value: Any, earlier: dict[str, Answer]) -> Any:
    """The same value with every `{step.field}` replaced."""
    if isinstance(value, dict):
        return {name: filled(each, earlier) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, earlier) for each in value]
    if isinstance(value, str):
        return _EARLIER.sub(lambda found: str(earlier[found[1]].said()[found[2]]), value)
    return value


def compare(answer: Answer, expect: dict[str, Any], earlier: dict[str, Answer]) -> None:
    """Fail unless the answer is what the case expects, its fields in that order."""
    expect = filled(expect, earlier)
    assert answer.status == expect["status"], (HTTPStatus(answer.status), answer.body)
    for name, wanted in expect.get("headers", {}).items():
        _same(name, answer.headers.get(name.lower()), wanted, {})
    fields = expect["xml"] if "xml" in expect else expect["body"]
    said = answer.said()
    assert ("xml" in expect) is answer.body.startswith(b"<?xml")
    assert list(said) == list(fields), said
    bound: dict[str, str] = {}
    for name, wanted in fields.items():
        _same(name, said[name], wanted, bound)


def _same(name: str, given: object, wanted: object, bound: dict[str, str]) -> None:
    """Compare one field; within an answer every `<uuid>` is the same one."""
    if not isinstance(wanted, str) or "<" not in wanted or not isinstance(given, str):
        assert (type(given), given) == (type(wanted), wanted), name
        return
    found = re.fullmatch("".join(_regex(part) for part in _parts(wanted)), given)
    assert found, f"{name}: {given} is not {wanted}"
    if "uuid" in found.groupdict():
        assert bound.setdefault("uuid", found["uuid"]) == found["uuid"], name


def _parts(wanted: str) -> list[tuple[bool, str]]:
    return [(odd % 2 == 1, part) for odd, part in enumerate(_PLACEHOLDER.split(wanted))]


def _regex(part: tuple[bool, str]) -> str:
    is_placeholder, text = part
    if not is_placeholder:
        return re.escape(text)
    if text in _PATTERNS:
        return _PATTERNS[text]
    if text.startswith("one of "):
        return "|".join(re.escape(choice) for choice in text.removeprefix("one of ").split("|")).join("()")
    if text.startswith("other than "):
        return f"(?!{re.escape(text.removeprefix('other than '))}$).+"
    raise AssertionError(f"unknown placeholder <{text}>")
