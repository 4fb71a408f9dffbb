"""The yardstick of the durable cases: pgbench, one row's UPDATE in a transaction of its own, on the same Postgres.

Owns its table, its script and the reading of what it prints. Must never touch a table of ours.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

ROWS = 100_000
MAKE_TABLE = "CREATE TABLE pgbench_row (id integer PRIMARY KEY, n bigint NOT NULL)"
FILL_TABLE = "INSERT INTO pgbench_row SELECT id, 0 FROM generate_series(1, $1::integer) AS id"
SCRIPT = """\\set id random(1, :rows)
BEGIN;
UPDATE pgbench_row SET n = n + 1 WHERE id = :id;
END;
"""
_rate = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)$", re.MULTILINE).search
_latency = re.compile(r"^latency average = ([0-9.]+) ms$", re.MULTILINE).search
_failed = re.compile(r"^number of failed transactions: ([0-9]+) ", re.MULTILINE).search


class Tally(Struct, frozen=True, kw_only=True):
    """What one stretch of pgbench found. Units: transactions a second; ms."""

    rate: float
    latency_ms: float


class Pgbench(Struct, frozen=True, kw_only=True):
    """pgbench of one installation against one database. Shape: it stays on the core of who starts it."""

    program: Path
    environment: Mapping[str, str]
    dsn: str
    script: Path
    connections: int

    def run(self, seconds: int) -> Tally:
        """One stretch, each connection always busy."""
        at = urlsplit(self.dsn)
        answer = subprocess.run(
            [
                *(str(self.program), "--no-vacuum", "--protocol=prepared", "--jobs=1"),
                *(f"--client={self.connections}", f"--time={seconds}", f"--file={self.script}"),
                f"--define=rows={ROWS}",
                *("-h", str(at.hostname), "-p", str(at.port), "-U", str(at.username), at.path.lstrip("/")),
            ],
            env={**self.environment, "PGPASSWORD": at.password or ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return read_tally(answer.stdout)


def read_tally(printed: str) -> Tally:
    """pgbench's report. Errors: ValueError when it is none, or when a transaction has failed."""
    rate, latency, failed = _rate(printed), _latency(printed), _failed(printed)
    if rate is None or latency is None or failed is None or failed[1] != "0":
        raise ValueError("no report of pgbench without failed transactions")
    return Tally(rate=float(rate[1]), latency_ms=float(latency[1]))
