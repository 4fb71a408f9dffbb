"""The ready-made requests that a bid of an account file may start from.

Owns where they lie: one JSON file each, named as the template, with the fields of a bid. Must never judge one: an account
file that uses it is read as if it had written the fields itself.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

_FOLDER = Path(__file__).with_name("templates")
_fields = msgspec.json.Decoder(dict[str, Any]).decode


@cache
def load_bid_templates() -> Mapping[str, Mapping[str, Any]]:
    """All of them by their names, in the order of the alphabet."""
    return {path.stem: _fields(path.read_bytes()) for path in sorted(_FOLDER.glob("*.json"))}
