"""What tests of asking buyers have in common.

Owns how buyers are asked in them. Must never behave as a buyer: tests/support/receiver.py and the fake buyer do.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

from shared.domain.outgoing import Failed, Failure, Message, Reply
from shared.pinging.buyers import Asked, BuyerLimits, Buyers, Heard
from shared.pinging.rules.breaker import BreakerRule

SOON_S = 0.15
NEVER_S = 30.0
NEVER_MS = 30_000
NEVER_SHUT = BreakerRule(in_a_row=1_000_000, share_of=1_000_000)
LATE = Failed(kind=Failure.TIMEOUT)
LOOPBACK = ("127.0.0.0/8", "::1/128")


@asynccontextmanager
async def opened(limits: BuyerLimits, networks: Sequence[str] = LOOPBACK) -> AsyncIterator[Buyers]:
    buyers = Buyers.open(limits, allowed=[ip_network(each) for each in networks])
    yield buyers
    await buyers.close()


def get(url: str) -> Message:
    return Message(method="GET", url=url)


def one(url: str, *, buyer_id: int = 1, timeout_ms: int = NEVER_MS) -> Asked:
    return Asked(buyer_id=buyer_id, message=get(url), timeout_ms=timeout_ms)


def all_of(*urls: str) -> list[Asked]:
    """Each a buyer of its own."""
    return [one(url, buyer_id=number) for number, url in enumerate(urls, start=1)]


async def ask(buyers: Buyers, *urls: str, within_s: float = NEVER_S) -> list[Reply | Failed]:
    """What came of each."""
    heard = await heard_of(buyers, all_of(*urls), within_s=within_s)
    return [each.came for each in heard]


async def heard_of(buyers: Buyers, asked: Sequence[Asked], *, within_s: float = NEVER_S) -> list[Heard]:
    return await buyers.ask(asked, deadline_s=asyncio.get_running_loop().time() + within_s)


async def post(buyers: Buyers, asked: Asked, *, within_s: float = NEVER_S) -> Reply | Failed:
    heard = await buyers.post(asked, deadline_s=asyncio.get_running_loop().time() + within_s)
    return heard.came
