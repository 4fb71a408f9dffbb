"""Each file of exemplary/ is one behaviour of the specification, shown by requests, their answers and what is stored then."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.services.data.bench import Bench
from tests.services.data.cases import (
    CALL_FIELDS,
    EXPECT_FIELDS,
    FIELDS,
    FILES,
    REQUEST_FIELDS,
    STEP_FIELDS,
    THEN_FIELDS,
    play,
    read_case,
)
from tests.services.rtb.bench import Loop


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path, bench: Bench, loop: Loop) -> None:
    play(read_case(file, FILES.index(file)), bench, loop)


def test_the_cases_are_well_formed() -> None:
    cases = [json.loads(file.read_text()) for file in FILES]
    for case in cases:
        assert {"name", "spec", "steps"} <= set(case) <= FIELDS
        assert case["spec"].partition("#")[0] in {"account.md", "data.md", "keys.md", "rtb.md"}
        assert set(case.get("then", ())) <= THEN_FIELDS
        for call in (*case.get("calls", ()), *(step["call"] for step in case["steps"] if "call" in step)):
            assert {"as", "caller"} <= set(call) <= CALL_FIELDS, call
        for step in case["steps"]:
            assert set(step) in STEP_FIELDS, step
            assert set(step.get("request", {})) <= REQUEST_FIELDS
            assert set(step.get("expect", {})) <= EXPECT_FIELDS
    assert Counter(case["name"] for case in cases).most_common(1)[0][1] == 1
