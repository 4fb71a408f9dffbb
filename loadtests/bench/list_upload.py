"""One upload of a caller list: a long CSV with some bad rows, sent as it is made, and followed to its end.

Owns the rows and the requests of the upload. Must never hold the whole body.
"""

import http.client
import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import Struct

LISTED_AREAS = [area for area in range(301, 990) if area % 100 != 11]  # the load's callers are of 212
_EXCHANGES = [exchange for exchange in range(200, 1000) if exchange % 100 != 11]
_BAD_EVERY = 1_000
_MARK = "b0undary"
_HEAD = (
    f'--{_MARK}\r\nContent-Disposition: form-data; name="file"; filename="numbers.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
).encode()
_TAIL = f"\r\n--{_MARK}--\r\n".encode()
_ROWS_A_PIECE = 5_000
_PAUSE_S = 0.2
_WITHIN_S = 900.0


class Target(Struct, frozen=True, kw_only=True):
    """Where an upload goes."""

    port: int
    path: str
    token: str


class Uploaded(Struct, frozen=True, kw_only=True):
    """What became of it. Units: taken_s until the 202, done_s until the last row was in force, both from the first byte."""

    body_bytes: int
    taken_s: float
    done_s: float
    rows: int
    applied: int
    rejected: int
    rejected_told: int


def rows(number: int) -> Iterator[str]:
    """So many rows: numbers of all sorts of exchanges, each once, and every thousandth no number."""
    areas, exchanges = len(LISTED_AREAS), len(_EXCHANGES)
    for row in range(number):
        if row % _BAD_EVERY == _BAD_EVERY - 1:
            yield f"12{row}\n"
            continue
        turn, area = divmod(row, areas)
        line, exchange = divmod(turn * 37, exchanges)
        yield f"+1{LISTED_AREAS[area]}{_EXCHANGES[exchange]}{(line * 149 + area * 31) % 10_000:04d}\n"


def upload(target: Target, number: int) -> Uploaded:
    """Send so many rows, and wait until they are worked on. Errors: AssertionError for any answer but the expected ones."""
    length = len(_HEAD) + sum(map(len, rows(number))) + len(_TAIL)
    line = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
    headers = {"Content-Type": f"multipart/form-data; boundary={_MARK}", "Content-Length": str(length)}
    began_s = time.perf_counter()
    line.request("POST", f"{target.path}.json?key={target.token}", body=_pieces(number), headers=headers)
    told = _told(line, status=202)
    taken_s = time.perf_counter() - began_s
    while told["status"] == "Processing":
        assert time.perf_counter() - began_s < _WITHIN_S, told
        time.sleep(_PAUSE_S)
        line.request("GET", f"{target.path}/{told['id']}.json?key={target.token}")
        told = _told(line, status=200)
    assert told["status"] == "Completed", told["status"]
    line.close()
    return Uploaded(
        body_bytes=length,
        taken_s=taken_s,
        done_s=time.perf_counter() - began_s,
        rows=told["rows_read"],
        applied=told["rows_applied"],
        rejected=told["rows_rejected"],
        rejected_told=len(told["rejected"]),
    )


def _pieces(number: int) -> Iterator[bytes]:
    yield _HEAD
    each = rows(number)
    while piece := "".join(islice(each, _ROWS_A_PIECE)):
        yield piece.encode()
    yield _TAIL


def _told(line: http.client.HTTPConnection, *, status: int) -> dict[str, Any]:
    answer = line.getresponse()
    body = answer.read()
    assert answer.status == status, (answer.status, body)
    told: dict[str, Any] = json.loads(body)["caller_list_upload"]
    return told
