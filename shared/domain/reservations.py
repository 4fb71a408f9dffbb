"""A reservation as it stands in Redis.

Owns the text that callers.lua writes and every reader of it. Must never decide whether it is still good.
"""

from msgspec import Struct

from shared.domain.pings import Winner, decode_winner, encode_winner


class Reservation(Struct, frozen=True, kw_only=True):
    """One caller promised to one buyer.

    Shape: status is reserved | confirmed | claimed; number and caller are E.164 or ""; subjects as in `b12,g3`.
    """

    status: str
    expires_ms: int
    company_id: int
    key_id: int
    publisher_id: int
    campaign_id: int
    number: str
    subjects: str
    caller: str
    uuid: str
    winner: Winner


def read_reservation(text: bytes) -> Reservation:
    """Read a header of ten fields and the winner's JSON on the next line."""
    header, _, winner = text.partition(b"\n")
    status, expires, company, key, publisher, campaign, *rest = header.decode().split("|")
    number, subjects, caller, uuid = rest
    return Reservation(
        status=status,
        expires_ms=int(expires),
        company_id=int(company),
        key_id=int(key),
        publisher_id=int(publisher),
        campaign_id=int(campaign),
        number=number,
        subjects=subjects,
        caller=caller,
        uuid=uuid,
        winner=decode_winner(winner),
    )


def write_reservation(reservation: Reservation) -> bytes:
    """The same text, for a rebuild."""
    r = reservation
    header = "|".join(
        (
            r.status,
            str(r.expires_ms),
            str(r.company_id),
            str(r.key_id),
            str(r.publisher_id),
            str(r.campaign_id),
            r.number,
            r.subjects,
            r.caller,
            r.uuid,
        )
    )
    return header.encode() + b"\n" + encode_winner(r.winner)
