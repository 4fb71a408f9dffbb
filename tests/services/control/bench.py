"""The control service beside the calls service, and the address at which the companies' switches take commands.

Owns the process, the receiver, and what partners send. Must never play a switch: the calls service's bench does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from shared.stores.account.applying import AccountError
from shared.stores.moments import moment
from tests.services.calls.bench import PUBLIC_URL, SEALED_WITH, Bench, Switch
from tests.services.rtb.bench import PEPPER, Loop, send
from tests.services.rtb.cases import Answer, Sent
from tests.support.processes import ServiceProcess, running_service
from tests.support.receiver import Receiver, Seen, answer


class ControlBench:
    """Calls, their switches' ears, and the control service."""

    def __init__(self, calls: Bench, control: ServiceProcess, *, receiver: Receiver, loop: Loop) -> None:
        self.calls = calls
        self.control = control
        self.receiver = receiver
        self.loop = loop
        self._seen = 0

    def open_company(self, account: dict[str, Any]) -> Switch:
        """Store an account whose switches take commands."""
        switch = self.loop.run(self.calls.open_company(account, self.receiver.url))
        self.calls.until_known(switch)
        return switch

    def apply(self, account: dict[str, Any]) -> list[str]:
        """Store an account again; where its problems are, when it is refused."""
        try:
            self.loop.run(self.calls.apply(account))
        except AccountError as refused:
            return [problem.path for problem in refused.problems]
        return []

    def ask(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """A partner's request."""
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        return send(self.control, Sent(method=method, target=target, headers=dict(headers or {}), body=body))

    def commands(self) -> list[dict[str, Any]]:
        """What switches were told since this was asked last: a generic one's JSON, or Twilio's form beside its path."""
        new, self._seen = self.receiver.seen[self._seen :], len(self.receiver.seen)
        return [_told(each) for each in new]

    def age(self, switch: Switch, *, seconds: int) -> None:
        """Let a company's legs have been answered that much earlier."""
        self.loop.run(self.calls.postgres.execute(AGE, switch.company_id, seconds))

    def group_id(self, switch: Switch, name: str) -> str:
        """A group's internal id."""
        found: str = self.loop.run(self.calls.postgres.fetchval(FIND_GROUP, switch.company_id, name))
        return found

    def entry_id(self, switch: Switch, name: str) -> str:
        """A directory entry's id."""
        found: str = self.loop.run(self.calls.postgres.fetchval(FIND_ENTRY, switch.company_id, name))
        return found

    def taken(self, switch: Switch) -> int:
        """How many legs of a company still hold a place."""
        number: int = self.loop.run(self.calls.postgres.fetchval(COUNT_TAKEN, switch.company_id, moment(0)))
        return number


AGE = "UPDATE legs SET answered_at = answered_at - make_interval(secs => $2) WHERE company_id = $1"
FIND_GROUP = "SELECT id::text FROM buyer_groups WHERE company_id = $1 AND name = $2"
FIND_ENTRY = """
SELECT e.id::text FROM directory_entries e JOIN directories d ON d.id = e.directory_id
WHERE d.company_id = $1 AND e.name = $2
"""
COUNT_TAKEN = "SELECT count(*) FROM legs WHERE company_id = $1 AND call_started_at > $2 AND place = 'taken'"


def _told(seen: Seen) -> dict[str, Any]:
    if seen.headers.get("content-type") == "application/json":
        signed = {"signed": "x-ringpost-signature" in seen.headers}
        return {**msgspec.json.decode(seen.body), **signed}
    return {"path": seen.target, "form": seen.body.decode()}


@contextmanager
def running_control(calls: Bench, loop: Loop, *, dsn: str, redis_url: str) -> Iterator[ControlBench]:
    """The control service on the stores of a calls bench."""
    receiver = Receiver([answer()])
    loop.run(receiver.listen())
    environment = {
        "RINGPOST_POSTGRES_DSN": dsn,
        "RINGPOST_REDIS_URL": redis_url,
        "RINGPOST_PEPPER": PEPPER,
        "RINGPOST_SWITCH_ENCRYPTION_KEY": SEALED_WITH,
        "RINGPOST_CALLS_URL": PUBLIC_URL,
        "RINGPOST_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    try:
        with running_service("control", environment) as control:
            yield ControlBench(calls, control, receiver=receiver, loop=loop)
    finally:
        loop.run(receiver.away())
