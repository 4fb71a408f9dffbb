"""The keys of the matrix: every kind at every level, on the entity that the requests name and on another.

Owns the account, twice: for two companies. Must never say which key may do what.
"""

from typing import Any

from shared.domain.key_settings import PERMISSIONS

LISTS = {"kind": "caller_list_management", "permissions": list(PERMISSIONS)}
EAST, WEST = {"buyer_group": "East"}, {"buyer_group": "West"}
AUTO, SOLAR = {"campaign": "auto"}, {"campaign": "solar"}
ALPHA, GAMMA = {"buyer": "alpha"}, {"buyer": "gamma"}
PUB_A = {"publisher": "pub_a"}
KEYS: dict[str, dict[str, Any]] = {
    "pings": {"kind": "rtb", "on": AUTO, "publisher": "pub_a"},
    "pings of a publisher": {"kind": "rtb", "on": PUB_A, "campaign": "auto"},
    "reserves": {"kind": "call_reservation", "on": AUTO, "publisher": "pub_a"},
    "writes": {"kind": "call_data_writing", "on": PUB_A},
    "writes for the company": {"kind": "call_data_writing", "on": "company"},
    "posts": {"kind": "conversion", "on": ALPHA},
    "posts for the group": {"kind": "conversion", "on": EAST},
    "reads": {"kind": "data_sharing", "on": EAST, "tag_keys": ["zip"]},
    "rejects": {"kind": "call_rejection", "on": EAST},
    "rejects elsewhere": {"kind": "call_rejection", "on": WEST},
    "transfers": {"kind": "call_transfer", "on": EAST, "directory": "Desks"},
    "transfers elsewhere": {"kind": "call_transfer", "on": WEST, "directory": "Desks"},
    "lists of the campaign": {**LISTS, "on": AUTO},
    "lists of another campaign": {**LISTS, "on": SOLAR},
    "lists of the buyer": {**LISTS, "on": ALPHA},
    "lists of another buyer": {**LISTS, "on": GAMMA},
    "lists of the company": {**LISTS, "on": "company"},
}
NAMES = tuple(KEYS)
COMPANIES = ("home", "abroad")


def token_of(name: str, company: str = "home") -> str:
    """The token of a key."""
    return f"{company}-key-that-{name.replace(' ', '-')}"


def account_of(company: str, number: int) -> dict[str, Any]:
    """A company with all of them. Shape: number is of the exchange of its own numbers."""
    exchange = f"+1844{number}"
    return {
        "company": {"name": company},
        "publishers": [{"afid": "pub_a"}, {"afid": "pub_b"}],
        "buyers": [
            {"tid": tid, "number": f"+1800{number}01{place:02d}", "bid": {"revenue": "25"}}
            for place, tid in enumerate(("alpha", "beta", "gamma"))
        ],
        "buyer_groups": [
            {"name": "East", "buyers": ["alpha", "beta"]},
            {"name": "West", "buyers": ["gamma"]},
        ],
        "directories": [{"name": "Desks", "entries": [{"name": "Desk", "number": "+18005550133"}]}],
        "campaigns": [
            {
                "cid": cid,
                "routing": {"mode": "priority_weight", "groups": ["East", "West"]},
                "numbers": [{"number": f"{exchange}{place:04d}", "rtb_pool": True}],
                "caller_lists": [{"name": "suppressed_dnc"}],
            }
            for place, cid in enumerate(("auto", "solar"))
        ],
        "postback_keys": [
            {"name": name, "token": token_of(name, company), **key} for name, key in KEYS.items()
        ],
    }
