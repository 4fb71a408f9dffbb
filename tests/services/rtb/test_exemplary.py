"""Each file of exemplary/ is one behaviour of the specification, shown by a request and its answer."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.services.rtb.bench import SIP_DOMAIN, Bench, Loop, send
from tests.services.rtb.cases import (
    EXPECT_FIELDS,
    FIELDS,
    FILES,
    REQUEST_FIELDS,
    STEP_FIELDS,
    Answer,
    changed,
    compare,
    make_sent,
    read_case,
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path, bench: Bench, loop: Loop) -> None:
    case = read_case(file, FILES.index(file))
    account = case["account"]
    service = bench.service(case.get("sip_domain", SIP_DOMAIN))
    loop.run(bench.apply(account))
    earlier: dict[str, Answer] = {}
    for step in case.get("given", ()):
        if "request" in step:
            answer = send(service, make_sent(step["request"], earlier))
            if "expect" in step:
                compare(answer, step["expect"], earlier)
            else:
                assert answer.status == 200, (step, answer.body)
            earlier[step.get("as", "")] = answer
        elif "fills" in step:
            loop.run(bench.fill(account["company"]["name"], step["fills"]))
        elif "finished" in step:
            loop.run(bench.finish(account["company"]["name"], step["finished"]))
        elif "stored_tags" in step:
            loop.run(bench.store_tags(account["company"]["name"], step["stored_tags"]))
        else:
            account = changed(account, step["changes"])
            loop.run(bench.apply(account, prune=step.get("prune", False)))
    compare(send(service, make_sent(case["request"], earlier)), case["expect"], earlier)


def _fields_of(case: dict[str, Any]) -> None:
    assert set(case) <= FIELDS
    assert {"name", "spec", "account", "request", "expect"} <= set(case)
    assert set(case["request"]) <= REQUEST_FIELDS
    assert set(case["expect"]) <= EXPECT_FIELDS
    for step in case.get("given", ()):
        assert any(set(step) <= fields for fields in STEP_FIELDS), step
        assert set(step.get("request", {})) <= REQUEST_FIELDS


def test_the_cases_are_well_formed() -> None:
    cases = [json.loads(file.read_text()) for file in FILES]
    for case in cases:
        _fields_of(case)
        assert case["spec"].partition("#")[0] in {"rtb.md", "keys.md", "account.md"}
    assert Counter(case["name"] for case in cases).most_common(1)[0][1] == 1
