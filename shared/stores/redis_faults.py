"""What an error reply of Redis means to us.

Owns the reading of error replies and the two exceptions for a command that Redis refused. Must never pass
on a reply's own words: they can hold argument values.
"""

import re

from shared.errors import Unavailable

# The server is there and cannot serve now. Nothing was applied.
_AWAY = frozenset(
    {"BUSY", "LOADING", "MISCONF", "NOREPLICAS", "OOM", "READONLY"}
    | {"ASK", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "TRYAGAIN"}
)
_CODE = re.compile(r"[A-Z]{2,20}\b")
_LINE = re.compile(r"user_script:(\d+)")
_KNOWN_WORDS = re.compile(
    r"attempt to (?:index|call|compare|concatenate|perform arithmetic on)[a-z ]{0,40}"
    r"|nonexistent global variable"
    r"|[Uu]nknown (?:Redis |Valkey )?(?:sub)?command"
    r"|[Ww]rong number of arg"
    r"|non local key in a cluster node"
    r"|Error compiling script"
)


class RedisCommandError(Exception):
    """Redis refused a command: a fault of ours, never a refusal of the caller's."""


class RedisScriptError(RedisCommandError):
    """A script failed inside Redis."""


class ReplyError(Exception):
    """An error reply, or the reason why no reply came. Held in a reply's place, raised by nobody."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        match = _CODE.match(text)
        self.code = match.group() if match else "ERR"
        self.text = text


LATE = ReplyError("LATE no reply within the deadline")
GONE = ReplyError("GONE the connection was lost")
_LOST = frozenset({"LATE", "GONE"})


def describe(fault: ReplyError) -> str:
    """A fault in words that cannot hold an argument: its code, the script's line, a phrase we know."""
    line = _LINE.search(fault.text)
    words = _KNOWN_WORDS.search(fault.text)
    parts = [fault.code]
    if line:
        parts.append(f"at line {line.group(1)}")
    if words:
        parts.append(f"({words.group().strip()})")
    return " ".join(parts)


def meaning(fault: ReplyError, what: str, *, script: bool = False) -> Exception:
    """The exception that a fault stands for: a server that is away, or a broken command or script."""
    if fault.code in _AWAY or fault.code in _LOST:
        return Unavailable("redis")
    kind = RedisScriptError if script else RedisCommandError
    return kind(f"redis {'script' if script else 'command'} {what}: {describe(fault)}")
