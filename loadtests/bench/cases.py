"""What is measured side by side: hello-world, a full ping, a repeat, a refused key.

Owns the requests of each case. Must never measure.
"""

from collections.abc import Mapping
from itertools import count

from msgspec import Struct

from loadtests.bench.callers import fresh_callers
from loadtests.bench.load import MakeRequest
from loadtests.bench.stage import Stage

FIRST_CALLER = 2_122_200_000
_REPEATED = 2_135_550_100


class Case(Struct, frozen=True, kw_only=True):
    """One kind of request to one process."""

    name: str
    says: str
    port: int
    pid: int
    make_request: MakeRequest
    status: int = 200


def cases_of(stage: Stage) -> tuple[Case, ...]:
    """The four cases; the same request line and headers for all of them."""
    fresh, again = fresh_callers(FIRST_CALLER), count()
    rtb = {"port": stage.rtb.port, "pid": stage.rtb.pid}
    tokens = stage.tokens

    def ping() -> bytes:
        return ping_request(tokens["bench"], next(fresh))

    def repeat() -> bytes:
        return ping_request(tokens["repeating"], _REPEATED + next(again) % 64)

    def refused() -> bytes:
        return ping_request(tokens["paused"], _REPEATED)

    hello = {"port": stage.hello_port, "pid": stage.hello_pid}
    return (
        _case("hello", "aiohttp web.Application, a fixed body of the same size", process=hello, make=ping),
        _case(
            "ping", "full ping, fresh callers: 10 buyers, rules, caps (5 full), lists", process=rtb, make=ping
        ),
        _case("repeat", "the same 64 callers again and again", process=rtb, make=repeat),
        _case("refused", "a paused key: a version read, then 403", process=rtb, make=refused, status=403),
    )


def _case(name: str, says: str, *, process: Mapping[str, int], make: MakeRequest, status: int = 200) -> Case:
    port, pid = process["port"], process["pid"]
    return Case(name=name, says=says, port=port, pid=pid, make_request=make, status=status)


def ping_request(token: str, caller: int) -> bytes:
    """One ping, its bytes."""
    query = f"key={token}&source_id=bench&caller_number=1{caller}&age=34&homeowner=yes"
    return (
        f"GET /rtbs.json?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
    ).encode()
