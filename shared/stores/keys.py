"""Postback keys in Postgres: made, paused, resumed, deleted for good, and shown again to those who may see
them.

Owns the table postback_keys. Must never look a key up for a request (key_lookup.py does), nor let a token
leave but by the two functions that return a Hidden. Each change raises the config version and leaves an audit
row, in one transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from secrets import randbelow
from typing import Any

from asyncpg import Record
from msgspec import Struct
from msgspec.structs import replace

from shared.domain.key_settings import KeySettings, Kind, read_settings_json, write_settings_json
from shared.domain.keys import Level, make_token
from shared.domain.tokens import Hidden, digest, make_secret
from shared.errors import OperatorError
from shared.stores import audit
from shared.stores.config import Change, bump, lock_company
from shared.stores.postgres import Connection
from shared.stores.sealing import Sealer


class Vault(Struct, frozen=True, kw_only=True):
    """What making and showing tokens takes. Shape: sealer None = hash only, nothing is ever shown again."""

    pepper: bytes
    sealer: Sealer | None = None

    def lookup(self, hidden: Hidden) -> bytes:
        """What the token or secret is looked up by."""
        return digest(self.pepper, hidden.reveal())

    def sealed(self, hidden: Hidden) -> bytes | None:
        """The copy that is kept of it, None for none."""
        return self.sealer.seal(hidden, self.lookup(hidden)) if self.sealer else None


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to be made. Shape: token and secret None = drawn."""

    company_id: int
    kind: Kind
    level: Level
    entity_id: int
    name: str
    settings: KeySettings
    token: Hidden | None = None
    secret: Hidden | None = None
    paused: bool = False


class KeyRow(Struct, frozen=True, kw_only=True):
    """A key as operators see it. Shape: shown = its token can be revealed; last_used_at None = never used."""

    id: int
    company_id: int
    company: str
    kind: Kind
    level: Level
    entity_id: int
    name: str
    paused: bool
    deleted: bool
    shown: bool
    settings: KeySettings
    last_used_at: datetime | None
    uses: int


class MadeKey(Struct, frozen=True, kw_only=True):
    """A key that was just made, with what is told once."""

    id: int
    token: Hidden
    secret: Hidden | None = None


INSERT_KEY = """
INSERT INTO postback_keys
    (company_id, kind, level, entity_id, name, token_hmac, token_sealed, secret_hmac, secret_sealed, settings,
    paused)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11)
RETURNING id
"""


async def insert_key(connection: Connection, vault: Vault, *, new: NewKey) -> MadeKey:
    """Make a key. Shape: version and audit row are the caller's; see create_key.

    Errors: asyncpg.UniqueViolationError when the token is or was a key's, or the name is taken there.
    """
    token = new.token or Hidden(make_token(new.kind, randbelow))
    secret = new.secret
    if new.kind is Kind.CALLER_LIST_MANAGEMENT and secret is None:
        secret = Hidden(make_secret(randbelow))
    key_id: int = await connection.fetchval(
        INSERT_KEY,
        new.company_id,
        new.kind,
        new.level,
        new.entity_id,
        new.name,
        vault.lookup(token),
        vault.sealed(token),
        vault.lookup(secret) if secret else None,
        vault.sealed(secret) if secret else None,
        write_settings_json(new.settings),
        new.paused,
    )
    return MadeKey(id=key_id, token=token, secret=secret)


async def create_key(connection: Connection, vault: Vault, *, new: NewKey, actor: str) -> MadeKey:
    """Make a key, raise the version and write it down."""
    await lock_company(connection, new.company_id)
    made = await insert_key(connection, vault, new=new)
    after = {"kind": new.kind, "level": new.level, "entity_id": new.entity_id, "name": new.name}
    await _written(
        connection,
        new.company_id,
        key_id=made.id,
        actor=actor,
        deed=audit.Deed(action="create", entity="postback_key", after=after),
    )
    return made


SELECT_KEYS = """
SELECT k.id, k.company_id, c.name AS company, k.kind, k.level, k.entity_id, k.name, k.paused,
       k.deleted_at IS NOT NULL AS deleted, k.token_sealed IS NOT NULL AS shown, k.settings::text AS settings,
       u.last_used_at, coalesce(u.uses, 0) AS uses
FROM postback_keys k JOIN companies c ON c.id = k.company_id LEFT JOIN key_uses u ON u.key_id = k.id
WHERE ($1::text IS NULL OR c.name = $1) AND ($2::bigint IS NULL OR k.id = $2) AND ($3::text IS NULL OR k.name
= $3)
    AND k.deleted_at IS NULL
ORDER BY k.company_id, k.id
"""


async def load_keys(
    connection: Connection, *, company: str | None = None, key_id: int | None = None, name: str | None = None
) -> list[KeyRow]:
    """Keys that are not deleted, of one company or all, by id or name or all of them."""
    return [_key_row(row) for row in await connection.fetch(SELECT_KEYS, company, key_id, name)]


async def find_one(connection: Connection, id_or_name: str, *, company: str | None) -> KeyRow:
    """The one key meant by an id or a name that only one key has.

    Errors: OperatorError when there is none, or several.
    """
    found = []
    if id_or_name.isdecimal() and len(id_or_name) < 19:
        found = await load_keys(connection, company=company, key_id=int(id_or_name))
    if not found:
        found = await load_keys(connection, company=company, name=id_or_name)
    if len(found) == 1:
        return found[0]
    where = f" in {company}" if company else ""
    if not found:
        raise OperatorError(f"no key is called that{where}: `ringpost keys list` shows them")
    ids = ", ".join(str(key.id) for key in found)
    raise OperatorError(f"several keys are called that{where}: give one of the ids {ids}")


SET_PAUSED = """
UPDATE postback_keys SET paused = $2, updated_at = now() WHERE id = $1 AND deleted_at IS NULL AND paused <> $2
RETURNING company_id
"""


async def set_paused(connection: Connection, key: KeyRow, *, actor: str, paused: bool) -> bool:
    """Pause or resume a key; False when it is so already."""
    await lock_company(connection, key.company_id)
    if await connection.fetchval(SET_PAUSED, key.id, paused) is None:
        return False
    deed = audit.Deed(
        action="pause" if paused else "resume",
        entity="postback_key",
        before={"paused": not paused},
        after={"paused": paused},
    )
    await _written(connection, key.company_id, key_id=key.id, actor=actor, deed=deed)
    return True


DELETE_KEY = """
UPDATE postback_keys SET deleted_at = now(), updated_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING
id
"""


async def tombstone(connection: Connection, key_id: int) -> bool:
    """Delete a key for good; its row and its token stay taken. Shape: version and audit row are the caller's."""
    return await connection.fetchval(DELETE_KEY, key_id) is not None


async def delete_key(connection: Connection, key: KeyRow, *, actor: str) -> bool:
    """Delete a key for good, raise the version and write it down; False when it is deleted already."""
    await lock_company(connection, key.company_id)
    if not await tombstone(connection, key.id):
        return False
    deed = audit.Deed(action="delete", entity="postback_key", before={"kind": key.kind, "name": key.name})
    await _written(connection, key.company_id, key_id=key.id, actor=actor, deed=deed)
    return True


UPDATE_KEY = """
UPDATE postback_keys SET settings = $2::jsonb, paused = coalesce($3, paused), updated_at = now()
WHERE id = $1 AND deleted_at IS NULL
"""


async def update_key(
    connection: Connection, key_id: int, *, settings: KeySettings, paused: bool | None = None
) -> None:
    """Configure a key. Shape: paused None = as it is; version and audit row are the caller's."""
    await connection.execute(UPDATE_KEY, key_id, write_settings_json(settings), paused)


SELECT_SEALED = """
SELECT token_hmac, token_sealed, secret_hmac, secret_sealed FROM postback_keys WHERE id = $1 AND deleted_at IS
NULL
"""


async def reveal(connection: Connection, vault: Vault, *, key: KeyRow, actor: str) -> MadeKey:
    """The token of a key, and its secret if it has one; each time leaves an audit row.

    Errors: OperatorError when reveals are off, or no copy of it is kept.
    """
    if vault.sealer is None:
        raise OperatorError("reveals are turned off: RINGPOST_KEYS_HASH_ONLY is set")
    row = await connection.fetchrow(SELECT_SEALED, key.id)
    if row is None or row["token_sealed"] is None:
        raise OperatorError("no copy of this token is kept: make a new key")
    token = vault.sealer.open(row["token_sealed"], row["token_hmac"])
    secret = vault.sealer.open(row["secret_sealed"], row["secret_hmac"]) if row["secret_sealed"] else None
    deed = audit.Deed(action="reveal", entity="postback_key", entity_id=key.id)
    await audit.append(connection, key.company_id, actor=actor, deeds=[deed])
    return MadeKey(id=key.id, token=token, secret=secret)


async def regenerate(connection: Connection, vault: Vault, *, key: KeyRow, actor: str) -> MadeKey:
    """A new key with the same settings beside the old one, which stays until it is deleted.

    Shape: its name gets a number behind it, as two keys of a kind and entity are told apart by name.
    """
    if key.kind is Kind.CALL_RESERVATION:
        raise OperatorError("call_reservation keys are only imported: make an rtb key instead")
    await lock_company(connection, key.company_id)
    taken = {each.name for each in await load_keys(connection, company=key.company)}
    number = next(number for number in range(2, len(taken) + 3) if f"{key.name} {number}" not in taken)
    new = NewKey(
        company_id=key.company_id,
        kind=key.kind,
        level=key.level,
        entity_id=key.entity_id,
        name=f"{key.name} {number}",
        settings=key.settings,
        paused=key.paused,
    )
    return await create_key(connection, vault, new=new, actor=actor)


async def _written(
    connection: Connection, company_id: int, *, key_id: int, actor: str, deed: audit.Deed
) -> None:
    await bump(connection, company_id, changes=[Change(scope="key", entity_id=key_id)])
    await audit.append(connection, company_id, actor=actor, deeds=[replace(deed, entity_id=key_id)])


def _key_row(row: Record) -> KeyRow:
    fields: Mapping[str, Any] = dict(row)
    kind = Kind(row["kind"])
    settings = read_settings_json(kind, row["settings"])
    return KeyRow(**{**fields, "kind": kind, "level": Level(row["level"]), "settings": settings})
