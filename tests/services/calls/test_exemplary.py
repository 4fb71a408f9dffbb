"""Each file of exemplary/ is one behaviour of the specification, shown by what a switch says and what it is told."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.services.calls.bench import Bench, Switch
from tests.services.calls.cases import DEEDS, FIELDS, FILES, STEP_FIELDS, Play, read_case
from tests.services.calls.conftest import Opened
from tests.services.rtb.bench import Loop


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path, bench: Bench, loop: Loop, open_company: Opened, stranger: Switch) -> None:
    number = FILES.index(file)
    case = read_case(file, number)
    switch = open_company(case["account"], case.get("changes"), number)
    play = Play(bench, loop, switch=switch, stranger=stranger)
    at_the_end = [{name: case[name]} for name in ("record", "fills") if name in case]
    for step in (*case["steps"], *at_the_end):
        play.play(step)


def test_the_cases_are_well_formed() -> None:
    cases = [json.loads(file.read_text()) for file in FILES]
    for case in cases:
        assert {"name", "spec", "account", "steps"} <= set(case) <= FIELDS
        assert case["spec"].partition("#")[0] in {"calls.md", "data.md", "account.md"}
        for step in case["steps"]:
            assert len(DEEDS & set(step)) == 1, step
            assert set(step) <= STEP_FIELDS, step
    assert Counter(case["name"] for case in cases).most_common(1)[0][1] == 1
