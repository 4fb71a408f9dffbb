"""What is measured beside pgbench: conversions, and data writing with and without a call.

Owns the requests of each case. Must never measure.
"""

from collections.abc import Callable, Iterator
from itertools import count

from loadtests.bench.cases import Case
from loadtests.bench.durable_stage import DurableStage
from loadtests.bench.load import MakeRequest

_FIRST_UNKNOWN = 2_132_200_000


def durable_cases_of(stage: DurableStage) -> tuple[Case, ...]:
    """The four cases: each a commit before its answer."""
    calls, tokens = stage.calls, stage.tokens
    unknown, live = count(_FIRST_UNKNOWN), count()

    def write() -> bytes:
        return _writing(tokens["writing"], next(unknown))

    def write_live() -> bytes:
        return _writing(tokens["writing"], calls.live_caller(next(live)))

    make = _maker(stage)
    return (
        make("conversion", "a value for a fresh call, by its uuid; both sides, no webhook", _posting(stage, calls.sold())),
        make("write", "two tags of a fresh caller without a call: stored for the next", write),
        make("write_live", "two tags onto one of 5,000 live calls, by caller", write_live),
        make("told", "a conversion as above, and a webhook put into the outbox", _posting(stage, calls.told())),
    )  # fmt: skip


def _maker(stage: DurableStage) -> Callable[[str, str, MakeRequest], Case]:
    def make(name: str, says: str, request: MakeRequest) -> Case:
        return Case(name=name, says=says, port=stage.data.port, pid=stage.data.pid, make_request=request)

    return make


def _posting(stage: DurableStage, numbers: Iterator[int]) -> MakeRequest:
    def post() -> bytes:
        number = next(numbers)
        query = f"call_uuid={stage.calls.uuid_of(number)}&value={20 + number % 400 / 4:.2f}"
        return _request(f"/postbacks/{stage.tokens['posting']}?{query}")

    return post


def _writing(token: str, caller: int) -> bytes:
    return _request(f"/data_writing?key={token}&caller_number=1{caller}&zip=10001&note=n{caller % 1000}")


def _request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
