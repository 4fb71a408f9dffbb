"""Each file of exemplary/ is one behaviour of the specification, shown by requests and their answers."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.services.control.lists.bench import Bench
from tests.services.control.lists.cases import EXPECT_FIELDS, FIELDS, FILES, REQUEST_FIELDS, play
from tests.services.rtb.bench import Loop


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_case(file: Path, bench: Bench, loop: Loop) -> None:
    play(file, bench, loop)


def test_the_cases_are_well_formed() -> None:
    cases = [json.loads(file.read_text()) for file in FILES]
    for case in cases:
        assert set(case) == FIELDS
        assert case["spec"].partition("#")[0] in {"control.md", "keys.md"}
        for step in case["steps"]:
            assert set(step) == {"request", "expect"}
            assert set(step["request"]) <= REQUEST_FIELDS
            assert set(step["expect"]) <= EXPECT_FIELDS
    assert Counter(case["name"] for case in cases).most_common(1)[0][1] == 1
