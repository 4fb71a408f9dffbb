"""How a command that goes on for long tells what it does.

Owns one line per event, for people or as JSON. Must never hold a secret.
"""

import json
import sys
from collections.abc import Callable


def voice(as_json: bool) -> Callable[[str], None]:
    """A function that tells one event."""
    return _say_json if as_json else _say


def silent(_text: str) -> None:
    """Tells nothing."""


def _say(text: str) -> None:
    sys.stdout.write(f"ringpost: {text}\n")
    sys.stdout.flush()


def _say_json(text: str) -> None:
    sys.stdout.write(json.dumps({"event": text}) + "\n")
    sys.stdout.flush()
