"""One request under way.

Owns where it waits or runs until its end. Must never hold a timer or a task: whoever asked keeps its time.
"""

from typing import Protocol

from shared.domain.outgoing import Failed, Reply
from shared.pinging.buyers.request import Request


class Carrier(Protocol):
    """What an exchange waits in or runs on."""

    def drop(self, exchange: "Exchange") -> None:
        """Nobody waits for its end any more."""


class Asker(Protocol):
    """Who is told of the end."""

    def ended(self, exchange: "Exchange", came: Reply | Failed) -> None:
        """What came of it. Shape: once an exchange, never after it was given up."""


class Exchange:
    """Ends once: by a reply, by a failure, or by being given up.

    Units: idle_s is for how long a connection that carries it may have been free, on the loop's clock.
    """

    __slots__ = ("_asker", "carrier", "data", "idle_s", "may_repeat", "origin")

    def __init__(self, request: Request, asker: Asker, *, idle_s: float, may_repeat: bool) -> None:
        self.origin = request.origin
        self.data = request.data
        self.idle_s = idle_s
        self.may_repeat = may_repeat
        self.carrier: Carrier | None = None
        self._asker = asker

    def end(self, came: Reply | Failed) -> None:
        """Tell whoever asked."""
        self.carrier = None
        self._asker.ended(self, came)

    def give_up(self) -> None:
        """Leave it: its place in a queue or its connection is free at once, and nobody is told."""
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.drop(self)
