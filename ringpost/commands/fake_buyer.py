"""`ringpost fake-buyer`: a buyer on loopback to try pings with."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import click

from ringpost.fake_bids import BEHAVIOURS
from ringpost.fake_buyer import Manners
from ringpost.fake_buyer import fake_buyer as listening
from ringpost.option_values import read_number
from ringpost.voice import silent, voice
from shared.domain.money import read_amount
from shared.errors import OperatorError

_ENDING = "; ".join(
    f"{name}{' ' if not text.startswith('=') else ''}{text}" for name, text in BEHAVIOURS.items()
)


@click.command(epilog=f"Behaviours: {_ENDING}.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8095,
    show_default=True,
    help="Where it listens; 0 takes a free one.",
)
@click.option("--bid", default="25.00", show_default=True, metavar="AMOUNT", help="What it bids.")
@click.option("--number", default="+18885550123", show_default=True, help="The number that it hands out.")
@click.option("--quiet", is_flag=True, help="Say nothing of the requests that come.")
@click.option("--json", "as_json", is_flag=True, help="Tell what happens as JSON lines.")
def fake_buyer(*, port: int, bid: str, number: str, quiet: bool, as_json: bool) -> None:
    """Answer pings as a buyer would, until Ctrl-C.

    http://127.0.0.1:PORT/ bids in the shape of /rtbs.json, /ringba in Ringba's. A behaviour stands in the path
    (/ringba/slow=200) or in the query (/?slow=200); bid=AMOUNT changes the bid of one request.
    """
    manners = Manners(bid=_amount(bid), number=read_number(number, "--number"))
    with suppress(KeyboardInterrupt):
        asyncio.run(_listen(port, manners, quiet=quiet, say=voice(as_json)))


async def _listen(port: int, manners: Manners, *, quiet: bool, say: Callable[[str], None]) -> None:
    async with listening(port, manners, say=silent if quiet else say) as taken:
        say(f"a buyer bids {manners.bid} at http://127.0.0.1:{taken}; Ctrl-C ends it")
        await asyncio.Event().wait()


def _amount(text: str) -> Decimal:
    try:
        return read_amount(text)
    except ValueError as error:
        raise OperatorError(f"--bid: {error}") from None
