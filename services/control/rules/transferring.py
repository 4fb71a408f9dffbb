"""Whom a call is handed on to, and how its switch is told.

Owns the choice of a directory's entry. Must never make a number of a directory's.
"""

from collections.abc import Iterable

from services.control.rules.nouns import Handing
from shared.domain.calls import Call, Leg
from shared.domain.hand_ons import Entry
from shared.domain.phone import read_e164
from shared.domain.switching.nouns import DialLeg, Transfer


def entry_of(entries: Iterable[Entry], asked: Handing) -> Entry | None:
    """The entry that is asked for by its id or its number; None when there is none such."""
    number = read_e164(asked.number) or asked.number
    return next(
        (each for each in entries if (each.id == asked.entry if asked.entry else each.number == number)), None
    )


def transfer_of(call: Call, leg: Leg) -> Transfer:
    """What the switch is told to dial."""
    dialled = DialLeg(leg_uuid=leg.uuid, number=leg.number, timeout_seconds=leg.timeout_seconds)
    return Transfer(
        call_uuid=call.uuid,
        leg=dialled,
        from_leg_uuid=leg.transferred_from,
        caller=call.caller,
        hold=leg.warm,
    )
