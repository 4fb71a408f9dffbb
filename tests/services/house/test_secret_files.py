"""Secrets that stand in files, as orchestrators mount them."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Struct

from shared.errors import SettingsError
from shared.settings import Secret, Setting, read_settings


class Peppered(Struct, frozen=True, kw_only=True):
    """One secret."""

    pepper: Annotated[Secret, Setting(what="the pepper")]


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    file.write_text("from-a-file\n")
    assert read_settings(Peppered, {"RINGPOST_PEPPER_FILE": str(file)}).pepper == Secret("from-a-file")


@pytest.mark.parametrize(
    ("content", "also", "problem"),
    [
        (b"x", "x", "RINGPOST_PEPPER and RINGPOST_PEPPER_FILE are both given"),
        (b" \n", "", "RINGPOST_PEPPER_FILE: the file is empty"),
        (b"\xff", "", "RINGPOST_PEPPER_FILE: the file cannot be read"),
        (None, "", "RINGPOST_PEPPER_FILE: the file cannot be read"),
    ],
)
def test_what_can_be_wrong_with_it(content: bytes | None, also: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_settings(Peppered, {"RINGPOST_PEPPER_FILE": str(file), "RINGPOST_PEPPER": also})
    assert caught.value.problems == (problem,)
