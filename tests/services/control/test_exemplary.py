"""Each file of exemplary/ is one behaviour of the specification, shown by what a partner sends and what a switch is told."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.services.control.bench import ControlBench
from tests.services.control.cases import (
    DEEDS,
    FIELDS,
    FILES,
    REJECT_FIELDS,
    STEP_FIELDS,
    ControlPlay,
    read_case,
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path, bench: ControlBench) -> None:
    case = read_case(file, FILES.index(file))
    switch = bench.open_company(case["account"])
    play = ControlPlay(bench, switch=switch, account=case["account"])
    at_the_end = [{name: case[name]} for name in ("record", "fills") if name in case]
    for step in (*case["steps"], *at_the_end):
        play.play(step)


def test_the_cases_are_well_formed() -> None:
    cases = [json.loads(file.read_text()) for file in FILES]
    for case in cases:
        assert {"name", "spec", "account", "steps"} <= set(case) <= FIELDS
        assert case["spec"].partition("#")[0] in {"control.md", "keys.md", "calls.md"}
        for step in case["steps"]:
            assert len(DEEDS & set(step)) == 1, step
            assert set(step) <= STEP_FIELDS, step
            assert set(step.get("reject", {})) <= REJECT_FIELDS, step
    assert Counter(case["name"] for case in cases).most_common(1)[0][1] == 1
