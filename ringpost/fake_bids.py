"""What the fake buyer is told to do, and what it says.

Owns the behaviours' names and the two shapes of answers. Must never listen, wait or draw.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Raw, Struct
from msgspec.json import Encoder

from shared.domain.money import read_amount
from shared.domain.xml_text import write_element

Shape = Literal["retreaver", "ringba"]

# name -> what it does; those with `=` take a value
BEHAVIOURS: Mapping[str, str] = {
    "accept": "bids, as without any",
    "no": "does not want the caller",
    "slow": "=MS: bids after so many milliseconds",
    "hang": "never answers",
    "reset": "ends the connection without a word",
    "drip": "sends its answer a byte a second",
    "huge": "answers with 10 MB",
    "html": "answers with a page",
    "badjson": "answers with half an object",
    "nan": "bids NaN",
    "negative": "bids less than nothing",
    "1e9": "bids 1e9",
    "xml": "bids in XML",
    "redirect": "=URL: sends the asker elsewhere",
    "status": "=N: bids, with this status",
}
_SHAPES = ("retreaver", "ringba")
_VALUED = ("slow", "redirect", "status", "bid")
_LONGEST_WAIT_MS = 60_000
_SECONDS = 90
_encode = Encoder().encode


class Wish(Struct, frozen=True, kw_only=True):
    """What one request asks the fake buyer to do. Shape: bid is a number as JSON would write it, or as no JSON would."""

    shape: Shape = "retreaver"
    behaviour: str = "accept"
    value: str = ""
    bid: str = ""


def read_wish(path: str, query: Iterable[tuple[str, str]]) -> Wish | str:
    """The wish of a request, or what is wrong with it.

    Shape: words stand in the path, separated by slashes; in the query those that are no words of ours are the ask's own.
    """
    shape: Shape = "retreaver"
    behaviour, value, bid = "accept", "", ""
    words = [(*word.partition("="),) for word in path.split("/") if word]
    told = [(name, text) for name, _, text in words]
    told += [(name, text) for name, text in query if name in BEHAVIOURS or name == "bid"]
    for name, text in told:
        if name in _SHAPES:
            shape = "ringba" if name == "ringba" else "retreaver"
        elif name not in BEHAVIOURS and name != "bid":
            return f"`{name[:40]}` is none of {', '.join((*_SHAPES, *BEHAVIOURS, 'bid'))}"
        elif wrong := _wrong(name, text):
            return wrong
        elif name == "bid":
            bid = text
        else:
            behaviour, value = name, text
    return Wish(shape=shape, behaviour=behaviour, value=value, bid=bid)


def _wrong(name: str, text: str) -> str:
    if name not in _VALUED:
        return ""
    if name == "redirect":
        return "" if text.isprintable() and text else "redirect=URL, please"
    if name == "bid":
        try:
            read_amount(text)
        except ValueError as error:
            return str(error)
        return ""
    least, most = (0, _LONGEST_WAIT_MS) if name == "slow" else (200, 599)
    fits = text.isascii() and text.isdecimal() and len(text) < 6 and least <= int(text) <= most
    return "" if fits else f"{name}={least} to {most}, please"


def bid_of(wish: Wish, usual: Decimal) -> str:
    """The number that it bids."""
    odd = {"nan": "NaN", "negative": "-25.00", "1e9": "1e9"}
    return odd.get(wish.behaviour) or wish.bid or str(usual)


def write_bid(wish: Wish, bid: str, *, number: str, uuid: str) -> bytes:
    """The answer's body. Shape: rtb.md's answer, or Ringba's."""
    number_of_json = Raw(bid.encode())
    if wish.shape == "ringba":
        return _encode(_ringba(number_of_json, number)) if wish.behaviour != "no" else _RINGBA_NO
    fields: dict[str, object] = {"uuid": uuid, "status": "no-target", "reason": "no_buyers"}
    if wish.behaviour != "no":
        fields = {"uuid": uuid, "status": "reserved", "retreaver_payout": number_of_json}
        fields |= {"retreaver_seconds": _SECONDS, "inbound_number": number}
    if wish.behaviour == "xml":
        return write_element(
            "rtb", [(name, bid if value is number_of_json else str(value)) for name, value in fields.items()]
        )
    return _encode(fields)


def _ringba(bid: Raw, number: str) -> Mapping[str, object]:
    terms = [{"code": 1, "callMinDuration": _SECONDS}]
    return {"bidAmount": bid, "phoneNumber": number, "bidTerms": terms, "expireInSeconds": 30}


_RINGBA_NO = _encode({"bidAmount": 0, "rejectReason": "no capacity"})
