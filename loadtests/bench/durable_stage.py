"""The stage of the durable cases: a Postgres that keeps each commit on its disk, and the data service beside it.

Owns what is started for them, and ends it. The data service alone has the server's core; Postgres, Valkey, the load and pgbench
share the other. Must never put the cluster's files into memory.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
from msgspec import Struct

from loadtests.bench.cpu import pin
from loadtests.bench.durable_calls import Calls, make_calls
from loadtests.bench.pgbench import FILL_TABLE, MAKE_TABLE, ROWS, SCRIPT, Pgbench
from loadtests.bench.stage import DSN, SERVER_CORE, apply_account, move_to_load_core, ringpost, start_stores
from tests.support.engines import beside_postgres, throw_away_folder
from tests.support.processes import ServiceProcess, running_service

_ACCOUNT = Path(__file__).with_name("durable.yaml")
CONNECTIONS = 8  # to Postgres: of the service, which has so many unless told otherwise, and of pgbench
KEEPS = "SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) FROM pg_settings WHERE name = ANY($1::text[])"
_KEEPS = ["fsync", "full_page_writes", "synchronous_commit"]


class DurableStage(Struct, frozen=True, kw_only=True):
    """What is up. tokens: by the key's name; keeps: how Postgres keeps commits, in its own words."""

    data: ServiceProcess
    pgbench: Pgbench
    tokens: Mapping[str, str]
    calls: Calls
    keeps: str


@contextmanager
def set_up_durable(calls_each: int) -> Iterator[DurableStage]:
    """Stores, the account, its calls, and one worker of the data service. calls_each: for each kind of conversion."""
    move_to_load_core()
    with ExitStack() as stack:
        environment = start_stores(stack, durable=True)
        tokens = apply_account(environment, _ACCOUNT)
        ringpost(environment, "rebuild-hot")
        dsn = environment[DSN]
        keeps = asyncio.run(_prepare(dsn))
        calls = asyncio.run(make_calls(dsn, each=calls_each, now_ms=int(time.time() * 1000)))
        script = stack.enter_context(throw_away_folder()) / "row.sql"
        script.write_text(SCRIPT)
        public = {name: value for name, value in environment.items() if "ENCRYPTION" not in name}
        public["RINGPOST_POSTGRES_CONNECTIONS"] = str(CONNECTIONS)
        data = stack.enter_context(running_service("data", public))
        pin(data.pid, SERVER_CORE)
        program, libraries = beside_postgres("pgbench")
        yield DurableStage(
            data=data,
            pgbench=Pgbench(
                program=program, environment=libraries, dsn=dsn, script=script, connections=CONNECTIONS
            ),
            tokens=tokens,
            calls=calls,
            keeps=keeps,
        )


async def _prepare(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(MAKE_TABLE)
        await connection.execute(FILL_TABLE, ROWS)
        keeps: str = await connection.fetchval(KEEPS, _KEEPS)
        return keeps
    finally:
        await connection.close()
