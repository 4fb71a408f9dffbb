"""What a publisher asks of its reservation.

Owns the rtb service's nouns beside those of a ping. Must never know a parameter name, a status code or an encoding.
"""

from msgspec import Struct


class Confirm(Struct, frozen=True, kw_only=True):
    """A request about one reservation: to confirm it, or to see it."""

    token: str
    uuid: str
    xml: bool = False
