"""A generic switch of one company, played over HTTP, and the calls service that it asks.

Owns the signing of what a test sends. Must never repeat a request by itself.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

from shared.domain.switching.credentials import Credential
from shared.domain.switching.signatures import signed_headers
from shared.domain.tokens import Hidden
from shared.stores.sealing import Sealer
from shared.stores.switches import NewCredential, create_credential
from tests.support.account_store import PEPPER
from tests.support.account_trees import Tree
from tests.support.call_stage import CallStage, call_stage
from tests.support.partners import Line, Listens, Said
from tests.support.processes import ServiceProcess, running_service

SWITCH_KEY = "switch-encryption-key-of-the-tests-0123"
SECRET = Hidden("secret-of-the-switch-of-the-tests")
_ids = count(1)


class Switch:
    """One credential's switch, asking one calls service."""

    def __init__(self, service: Listens, credential: Credential) -> None:
        self._service = service
        self._credential = credential

    async def inbound(self, caller: str, number: str, *, call_id: str = "") -> dict[str, Any]:
        """Bring a call."""
        body = {"call_id": call_id or f"call-{next(_ids)}", "from": caller, "to": number}
        return _told(await self.send("/v1/calls", body))

    async def event(self, call_uuid: str, event: str, **fields: object) -> dict[str, Any]:
        """Tell what has become of a call."""
        return _told(await self.send(f"/v1/calls/{call_uuid}/events", {"event": event, **fields}))

    async def send(self, target: str, body: Mapping[str, object]) -> Said:
        """A signed request, and whatever is answered."""
        content = json.dumps(body).encode()
        signed = signed_headers(
            content, self._credential.secret, credential_id=self._credential.id, at_s=int(time.time())
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        line = Line(self._service)
        try:
            return await line.ask(target, method="POST", head=head, body=content)
        finally:
            line.close()


def _told(said: Said) -> dict[str, Any]:
    assert said.status == 200, (said.status, said.body)
    return said.fields


@asynccontextmanager
async def switched(
    dsn: str, redis_url: str, tree: Tree, *, command_url: str = ""
) -> AsyncIterator[tuple[CallStage, Credential]]:
    """The tree's account with a generic switch; its shards serve."""
    async with call_stage(dsn, redis_url, tree) as stage:
        await stage.store.warm()
        await stage.store.sync(stage.plan.company.id)
        new = NewCredential(
            company_id=stage.plan.company.id,
            kind="generic",
            account_id="tests",
            secret=SECRET,
            command_url=command_url,
        )
        async with stage.store.postgres.transaction() as connection:
            made = await create_credential(connection, Sealer([SWITCH_KEY]), new=new, actor="tests")
        credential = Credential(
            id=made,
            company_id=new.company_id,
            kind="generic",
            account_id="tests",
            secret=SECRET,
            command_url=command_url,
        )
        yield stage, credential


@contextmanager
def calls_service(dsn: str, redis_url: str, **settings: str) -> Iterator[ServiceProcess]:
    """The calls service on these stores."""
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_SWITCH_ENCRYPTION_KEY": SWITCH_KEY,
        "RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
        **settings,
    }
    with running_service("calls", environment) as service:
        yield service
