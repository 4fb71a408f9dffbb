"""The control service and the rtb service as processes over stores of their own.

Owns the processes and the accounts of the tests. Must never send a request of a case.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.domain.key_settings import PERMISSIONS
from tests.services.rtb.bench import PEPPER, Loop
from tests.services.rtb.bench import Bench as Pings
from tests.services.rtb.bench import running_bench as running_pings
from tests.support.processes import ServiceProcess, running_service

ACCOUNT = Path(__file__).parent / "account.json"
_EXCHANGES = [str(code) for code in range(200, 1000) if code % 100 != 11]
SECRET = "SecretoftheTests12345678"


class Bench:
    """One control service, and the rtb service beside it."""

    def __init__(self, pings: Pings, service: ServiceProcess) -> None:
        self.pings = pings
        self.service = service

    async def open_company(self, number: int, **more: Any) -> Mapping[str, str]:
        """Store the account as a company of its own; what cases call its entities by.

        Shape: more are further postback keys, by name.
        """
        account = read_account(number)
        account["postback_keys"] += [{"name": name, **key} for name, key in more.items()]
        await self.pings.apply(account)
        row = await self.pings.postgres.fetchrow(SELECT_IDS, f"case{number:04d}")
        assert row is not None
        return {name: str(value) for name, value in row.items()}


def read_account(number: int) -> dict[str, Any]:
    """The account with names and numbers of its own, and every permission where it says ALL."""
    text = (
        ACCOUNT.read_text().replace("CASE", f"case{number:04d}").replace("844555", f"844{_EXCHANGES[number]}")
    )
    account: dict[str, Any] = json.loads(text.replace('"ALL"', json.dumps(PERMISSIONS)))
    return account


SELECT_IDS = """
SELECT c.id AS company, a.id AS campaign, s.id AS solar, b.id AS target, d.id AS second_target
FROM companies c
JOIN campaigns a ON a.company_id = c.id AND a.cid = 'auto'
JOIN campaigns s ON s.company_id = c.id AND s.cid = 'solar'
JOIN buyers b ON b.company_id = c.id AND b.tid = 'alpha'
JOIN buyers d ON d.company_id = c.id AND d.tid = 'beta/2'
WHERE c.name = $1
"""


@contextmanager
def running_bench(loop: Loop, dsn: str, redis_url: str) -> Iterator[Bench]:
    """Both services on warm stores."""
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_SWITCH_ENCRYPTION_KEY": "switch-encryption-key-of-the-tests-0123",
    }
    with running_pings(loop, dsn, redis_url) as pings, running_service("control", environment) as service:
        yield Bench(pings, service)
