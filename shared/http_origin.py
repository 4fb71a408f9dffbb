"""Where a request comes from and what it is called.

Owns client addresses behind trusted proxies, and request ids. Must never believe a header of a peer
that is not trusted, nor pass on an id that could hold a key or a number.
"""

import os
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count

from multidict import MultiMapping

from shared.settings import Network

_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TELLING = re.compile(r"pbk_|(?<!\d)1?[2-9]\d{9}(?!\d)|\A\d{10,15}\Z")
# The parts of uuids, trace and span ids: what looks like a number in them is none.
_HEX_WORD = re.compile(
    r"(?<![0-9A-Za-z])(?=\d*[a-fA-F])(?:[0-9a-fA-F]{12}|[0-9a-fA-F]{16}|[0-9a-fA-F]{32})(?![0-9A-Za-z])"
)


class RequestIds:
    """Ids for requests that bring none: a random start of the process, then a count."""

    def __init__(self) -> None:
        self._start = os.urandom(6).hex()
        self._count = count(1)

    def make(self) -> str:
        """A new id, unique over all workers."""
        return f"{self._start}-{next(self._count):08x}"

    def take(self, given: str) -> str:
        """The client's id when it is short, plain and holds neither a token nor a number; else a new one."""
        if _SAFE_ID.fullmatch(given) is None:
            return self.make()
        tells = _TELLING.search(given) and _TELLING.search(_HEX_WORD.sub("", given))
        return self.make() if tells else given


class Proxies:
    """The peers whose forwarding headers are believed."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks
        self._client_of = lru_cache(4096)(self._walk)

    def trusts(self, peer: str) -> bool:
        """Whether this peer is one of ours."""
        address = _address(peer)
        return address is not None and self._inside(address)

    def client_of(self, headers: MultiMapping[str], peer: str) -> str:
        """The right-most address that is not ours; the peer itself when the header says nothing usable."""
        forwarded = _said(headers, "X-Forwarded-For")
        return self._client_of(forwarded, peer) if forwarded else peer

    def _walk(self, forwarded: str, peer: str) -> str:
        client = peer
        for hop in reversed(forwarded.split(",")):
            address = _address(hop.strip())
            if address is None:
                break
            client = str(address)
            if not self._inside(address):
                break
        return client

    def _inside(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def came_by_https(headers: MultiMapping[str]) -> bool:
    """Whether the proxy says that it was spoken to by https; of several words the nearest proxy's counts."""
    return _said(headers, "X-Forwarded-Proto").rpartition(",")[2].strip().lower() == "https"


def _said(headers: MultiMapping[str], name: str) -> str:
    """All lines of a header as one: a proxy that adds a line of its own leaves the client's forged one above it."""
    return ",".join(headers.getall(name, ()))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without port or brackets; a v4 address inside a v6 one is the v4 one."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
