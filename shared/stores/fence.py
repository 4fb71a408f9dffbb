"""What fence.lua answers instead of running a script: something of ours is out of date.

Owns the reading of those answers. Must never decide what is done about them: shared/stores/keyring.py does.
"""

from msgspec import Struct

from shared.errors import Unavailable


class Stale(Struct, frozen=True):
    """The config is newer than what was evaluated; nothing was applied."""


class ClockOff(Struct, frozen=True):
    """This host's clock was off by more than a second; nothing was applied."""


_STALE = Stale()
_CLOCK_OFF = ClockOff()


def not_applied(word: bytes) -> Stale | ClockOff:
    """Why a script applied nothing. Errors: Unavailable when the shard is cold, or takes nothing more."""
    if word == b"stale":
        return _STALE
    if word == b"clock":
        return _CLOCK_OFF
    raise Unavailable("redis")
