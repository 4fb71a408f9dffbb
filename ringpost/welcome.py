"""What `ringpost up` prints when everything is ready: addresses, and lines to paste into a shell.

Owns the story that the lines tell, one beat a line, for the services that are there. Must never print a token that was not made
for the demo.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from deploy.local.catalogue import Service
from deploy.local.cluster_file import HOME

_LOOPBACK = "http://127.0.0.1"
_CALLER = "+12125551212"
_OTHER_CALLER, _THIRD_CALLER = "+12125551313", "+12125551414"
_SUPPRESSED = "+12125551515"
_SPECIALIST = "+18005550133"
_NUMBER = "+18445550100"
_CURL = "curl -sw '\\n'"
_RTB_KEY = "Publisher_A_RTB_Auto"
_WRITING_KEY = "Publisher_A_DataWriting_LP"
_CONVERSION_KEY = "Buyer_Alpha_Conversion"
_READING_KEY = "East_Reading"
_REJECTION_KEY = "East_Reject"
_TRANSFER_KEY = "East_Transfer"
_LIST_KEY = "Campaign_Suppression_Sync"
_LIST = "api/v2/campaigns/auto/caller_lists/suppressed_dnc"
_GROUP = "East%20Coast"
DEMO_KEYS = frozenset(
    {_RTB_KEY, _WRITING_KEY, _CONVERSION_KEY, _READING_KEY, _REJECTION_KEY, _TRANSFER_KEY, _LIST_KEY}
)
Tokens = Mapping[str, str]
Urls = Mapping[str, str]


def welcome(services: Iterable[Service], tokens: Tokens) -> tuple[str, ...]:
    """The addresses, then the story. Shape: tokens by the names of the demo's keys; a beat without its key is left out."""
    services = tuple(services)
    lines = [_address(service) for service in services]
    urls = {service.name: f"{_LOOPBACK}:{service.port}" for service in services}
    for needed, key, beat in _STORY:
        if needed in urls and (not key or key in tokens):
            lines += ["", *beat(urls, tokens).splitlines()]
    return ("", *lines, "")


def _address(service: Service) -> str:
    url = f"{_LOOPBACK}:{service.port}" if service.port else "-"
    return f"{service.name:<8} {url:<23}   ops {_LOOPBACK}:{service.ops_port}/metrics"


def _ping(urls: Urls, tokens: Tokens) -> str:
    ping = f"{_CURL} '{_ping_address(urls, tokens)}'"
    return (
        f"# a ping: who takes this caller, and for how much?\n{ping}\n\n"
        f"# the same caller again, within 15 s: the same reservation\n{ping}"
    )


def _confirm(urls: Urls, tokens: Tokens) -> str:
    confirm = f'{_CURL} -X PUT "{urls["rtb"]}/rtbs/$UUID.json?key={tokens[_RTB_KEY]}&status=confirmed"'
    return f"# confirm it\nUUID=$(curl -s '{_ping_address(urls, tokens)}' | {_field('uuid')}); {confirm}"


def _write(urls: Urls, tokens: Tokens) -> str:
    query = f"key={tokens[_WRITING_KEY]}&caller_number={_encoded(_CALLER)}&zip=10001"
    return f"# tags for the caller's next call\n{_CURL} '{urls['data']}/data_writing?{query}'"


def _call(_urls: Urls, _tokens: Tokens) -> str:
    simulate = f"{_ringpost()} simulate call --from {_CALLER} --to {_NUMBER} --busy beta"
    return (
        "# the caller calls: a switch that is only played; Buyer Beta is busy, so Buyer Alpha talks for 2 minutes\n"
        f"CALL=$({simulate} --json | {_field('call_uuid')}); echo $CALL"
    )


def _convert(urls: Urls, tokens: Tokens) -> str:
    query = f"caller_number={_encoded(_CALLER)}&value=40"
    return (
        "# the buyer sold: 40 for us, 80 % of it for the publisher\n"
        f"{_CURL} '{urls['data']}/postbacks/{tokens[_CONVERSION_KEY]}?{query}'"
    )


def _read(urls: Urls, tokens: Tokens) -> str:
    query = f"key={tokens[_READING_KEY]}&caller_number={_encoded(_CALLER)}&map_keys=their_zip:lp__zip&accept_keys=click_id"
    return f"# what the buyer may read of the call\n{_CURL} '{urls['data']}/data_reading?{query}'"


def _record(_urls: Urls, _tokens: Tokens) -> str:
    return f"# the call's record: legs, tags, money\n{_ringpost()} explain $CALL"


def _reject(urls: Urls, tokens: Tokens) -> str:
    simulate = f"{_ringpost()} simulate call --from {_OTHER_CALLER} --to {_NUMBER} --live --json"
    reject = f"{urls['control']}/handler_groups/{_GROUP}/call_control/reject?key={tokens[_REJECTION_KEY]}"
    return (
        "# another caller talks to a buyer of the group East Coast, who hands the call back: the group's next buyer gets it\n"
        f'LIVE=$({simulate} | {_field("call_uuid")}); {_CURL} "{reject}&call_uuid=$LIVE"'
    )


def _transfer(urls: Urls, tokens: Tokens) -> str:
    simulate = f"{_ringpost()} simulate call --from {_THIRD_CALLER} --to {_NUMBER} --live --json"
    page = f"{urls['control']}/handler_groups/{_GROUP}/transfers/interface?key={tokens[_TRANSFER_KEY]}"
    return (
        "# a third caller's buyer hands the call on to a specialist of its directory; the same address is a page with buttons\n"
        f"LIVE=$({simulate} | {_field('call_uuid')}); "
        f'{_CURL} "{page}&call_uuid=$LIVE" -d transfer_to={_encoded(_SPECIALIST)}'
    )


def _suppress(urls: Urls, tokens: Tokens) -> str:
    return f"# a number that no buyer is to get any more\n{_on_list(urls, tokens, what='numbers')}"


def _check(urls: Urls, tokens: Tokens) -> str:
    return f"# is it on the list?\n{_on_list(urls, tokens, what='checks')}"


def _on_list(urls: Urls, tokens: Tokens, *, what: str) -> str:
    address = f"{urls['control']}/{_LIST}/caller_list_{what}.json?key={tokens[_LIST_KEY]}"
    return f"{_CURL} '{address}' -d number={_encoded(_SUPPRESSED)}"


def _ping_address(urls: Urls, tokens: Tokens) -> str:
    return (
        f"{urls['rtb']}/rtbs.json?key={tokens[_RTB_KEY]}&caller_number={_encoded(_CALLER)}&click_id=click123"
    )


def _encoded(number: str) -> str:
    return number.replace("+", "%2B")


def _field(name: str) -> str:
    return f"""python3 -c 'import json, sys; print(json.load(sys.stdin)["{name}"])'"""


def _ringpost() -> str:
    """The command as it can be typed here, in the home that this cluster has."""
    script, here = Path(sys.executable).with_name("ringpost"), Path.cwd()
    command = str(script.relative_to(here) if script.is_relative_to(here) else script)
    home = os.environ.get(HOME)
    return f"{HOME}={shlex.quote(home)} {command}" if home else command


_STORY: tuple[tuple[str, str, Callable[[Urls, Tokens], str]], ...] = (
    ("rtb", _RTB_KEY, _ping),
    ("rtb", _RTB_KEY, _confirm),
    ("data", _WRITING_KEY, _write),
    ("calls", "", _call),
    ("data", _CONVERSION_KEY, _convert),
    ("data", _READING_KEY, _read),
    ("calls", "", _record),
    ("control", _REJECTION_KEY, _reject),
    ("control", _TRANSFER_KEY, _transfer),
    ("control", _LIST_KEY, _suppress),
    ("control", _LIST_KEY, _check),
)
