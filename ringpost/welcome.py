"""What `ringpost up` prints when everything is ready: addresses, and lines to paste into a shell.

Owns the lines of each service. Must never print a token that was not made for the demo.
"""

from collections.abc import Callable, Iterable, Mapping

from deploy.local.catalogue import Service

_LOOPBACK = "http://127.0.0.1"
_CALLER = "%2B12125551212"
_CURL = "curl -sw '\\n'"
_UUID_OF = """python3 -c 'import json, sys; print(json.load(sys.stdin)["uuid"])'"""

_RTB_KEY = "Publisher_A_RTB_Auto"
DEMO_KEYS = frozenset({_RTB_KEY})
Tokens = Mapping[str, str]


def welcome(services: Iterable[Service], tokens: Tokens) -> tuple[str, ...]:
    """The lines, service by service. Shape: tokens by the names of the demo's keys; none: nothing to paste."""
    lines: list[str] = []
    for service in services:
        if service.port:
            lines.append(f"{service.name:<8} {_url(service)}   ops {_LOOPBACK}:{service.ops_port}/metrics")
        else:
            lines.append(f"{service.name:<8} {'-':<23}   ops {_LOOPBACK}:{service.ops_port}/metrics")
    for service in services:
        for text in _TO_PASTE.get(service.name, _nothing)(_url(service), tokens):
            lines += ["", *text.splitlines()]
    return ("", *lines, "")


def _url(service: Service) -> str:
    return f"{_LOOPBACK}:{service.port}"


def _rtb(url: str, tokens: Tokens) -> Iterable[str]:
    token = tokens.get(_RTB_KEY)
    if token is None:
        return
    address = f"'{url}/rtbs.json?key={token}&caller_number={_CALLER}'"
    ping = f"{_CURL} {address}"
    yield f"# a ping: who takes this caller, and for how much?\n{ping}"
    yield f"# the same caller again, within 15 s: the same reservation\n{ping}"
    confirm = f'{_CURL} -X PUT "{url}/rtbs/$UUID.json?key={token}&status=confirmed"'
    yield f"# confirm it\nUUID=$(curl -s {address} | {_UUID_OF}); {confirm}"


def _nothing(_url: str, _tokens: Tokens) -> Iterable[str]:
    return ()


_TO_PASTE: Mapping[str, Callable[[str, Tokens], Iterable[str]]] = {"rtb": _rtb}
