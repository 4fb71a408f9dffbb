"""The audit log: who changed or revealed what, and when.

Owns appending to audit_log, each row chained to the company's one before, so that a row that is changed or
taken out behind our back shows. Must never hold a token or a secret: what is handed in is redacted already.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from shared.stores.postgres import Connection

Action = Literal["create", "update", "delete", "pause", "resume", "reveal", "export", "apply"]
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


class Deed(Struct, frozen=True, kw_only=True):
    """One thing done. Shape: before and after as JSON mappings, None when there is none."""

    action: Action
    entity: str
    entity_id: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


# One chain a company: appending takes turns until the transaction ends.
LOCK_CHAIN = "SELECT pg_advisory_xact_lock(hashtextextended('audit ' || $1::text, 0))"
NOW = "SELECT now()"
LAST_CHAIN = "SELECT chain FROM audit_log WHERE company_id = $1 ORDER BY id DESC LIMIT 1"
INSERT_DEED = """
INSERT INTO audit_log (company_id, at, actor, action, entity, entity_id, before, after, chain)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9)
"""


async def append(connection: Connection, company_id: int, *, actor: str, deeds: Sequence[Deed]) -> None:
    """Write down deeds in the transaction that does them. Shape: actor as in `operator:<user>`, `api_key:<id>`."""
    if not deeds:
        return
    await connection.execute(LOCK_CHAIN, str(company_id))
    at = await connection.fetchval(NOW)
    chain = await connection.fetchval(LAST_CHAIN, company_id) or b""
    rows = []
    for deed in deeds:
        told = (deed.action, deed.entity, deed.entity_id, _plain(deed.before), _plain(deed.after))
        chain = link(chain, company_id, at=at, actor=actor, told=told)
        before, after = (None if each is None else _encode(each).decode() for each in told[3:])
        rows.append((company_id, at, actor, *told[:3], before, after, chain))
    await connection.executemany(INSERT_DEED, rows)


LOAD_CHAIN = """
SELECT id, at, actor, action, entity, entity_id, before::text AS before, after::text AS after, chain
FROM audit_log WHERE company_id = $1 ORDER BY id
"""


async def first_broken(connection: Connection, company_id: int) -> int | None:
    """The first row of a company whose link does not fit; None when the chain is whole. Cost: reads all of it."""
    chain = b""
    for row in await connection.fetch(LOAD_CHAIN, company_id):
        told = (row["action"], row["entity"], row["entity_id"], _read(row["before"]), _read(row["after"]))
        chain = link(chain, company_id, at=row["at"], actor=row["actor"], told=told)
        if chain != row["chain"]:
            return int(row["id"])
    return None


def link(before: bytes, company_id: int, *, at: datetime, actor: str, told: tuple[Any, ...]) -> bytes:
    """The hash that chains a row to the one before."""
    return hashlib.sha256(before + _encode([company_id, at.isoformat(), actor, *told])).digest()


def _plain(mapping: Mapping[str, Any] | None) -> Any:
    """The mapping as Postgres gives it back: jsonb keeps numbers as numbers, so that money must come as text."""
    return None if mapping is None else _decode(_encode(mapping))


def _read(text: str | None) -> Any:
    return None if text is None else _decode(text.encode())
