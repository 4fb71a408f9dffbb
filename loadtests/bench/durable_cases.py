"""What is measured beside pgbench: conversions, and data writing with and without a call.

Owns the requests of each case. Must never measure.
"""

from collections.abc import Callable, Iterable
from itertools import count

from loadtests.bench.callers import fresh_callers
from loadtests.bench.cases import Case
from loadtests.bench.durable_stage import DurableStage
from loadtests.bench.load import MakeRequest

_FIRST_UNKNOWN = 2_132_200_000


def durable_cases_of(stage: DurableStage) -> tuple[Case, ...]:
    """The four cases: each a commit before its answer."""
    calls, tokens = stage.calls, stage.tokens
    unknown, live = fresh_callers(_FIRST_UNKNOWN), count()

    def write() -> bytes:
        return _writing(tokens["writing"], next(unknown))

    def write_live() -> bytes:
        return _writing(tokens["writing"], calls.live_caller(next(live)))

    make = _maker(stage)
    return (
        make(
            "conversion",
            "a value for a fresh call, by its uuid; both sides, no webhook",
            request=_posting(stage, calls.sold()),
        ),
        make("write", "two tags of a fresh caller without a call: stored for the next", request=write),
        make("write_live", "two tags onto one of 5,000 live calls, by caller", request=write_live),
        make(
            "told",
            "a conversion as above, and a webhook put into the outbox",
            request=_posting(stage, calls.told()),
        ),
    )


def _maker(stage: DurableStage) -> Callable[..., Case]:
    def make(name: str, says: str, *, request: MakeRequest) -> Case:
        return Case(name=name, says=says, port=stage.data.port, pid=stage.data.pid, make_request=request)

    return make


def _posting(stage: DurableStage, numbers: Iterable[int]) -> MakeRequest:
    """Each call once. Written before the load begins: it shares a core with Postgres."""
    token, uuid_of = stage.tokens["posting"], stage.calls.uuid_of
    posts = [
        _request(f"/postbacks/{token}?call_uuid={uuid_of(number)}&value={20 + number % 400 / 4:.2f}")
        for number in numbers
    ]
    return iter(posts).__next__


def _writing(token: str, caller: int) -> bytes:
    return _request(f"/data_writing?key={token}&caller_number=1{caller}&zip=10001&note=n{caller % 1000}")


def _request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
