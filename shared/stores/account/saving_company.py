"""The company itself, its caller lists and its keys, written to Postgres.

Owns the company's row; lists and keys are written by their own stores. Must never decide what changes.
"""

from collections.abc import Sequence
from secrets import randbelow

from shared.domain.account.entities import CallerList, Company, PostbackKey
from shared.domain.account.standing import KeyName, key_name
from shared.domain.account.steps import Step
from shared.domain.keys import Level
from shared.domain.tokens import Hidden, compose
from shared.stores.account.loading_keys import with_ids
from shared.stores.account.parts import write_json
from shared.stores.account.saving_ids import Writing
from shared.stores.keys import MadeKey, NewKey, Vault, insert_key, tombstone, update_key
from shared.stores.lists import add_numbers, create_list, delete_list, find_list, set_expiry
from shared.stores.postgres import Connection
from shared.stores.redis_keys import SHARDS

NEXT_COMPANY = "SELECT nextval(pg_get_serial_sequence('companies', 'id'))"
INSERT_COMPANY = """
INSERT INTO companies (id, name, time_zone, currency, api_key_hmac, api_key_sealed, features, shard)
OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)
"""


async def insert_company(
    connection: Connection, vault: Vault, *, company: Company
) -> tuple[int, Hidden | None]:
    """A new company's id, and its management key when that was drawn."""
    company_id: int = await connection.fetchval(NEXT_COMPANY)
    api_key = company.api_key or Hidden(compose("api", randbelow))
    await connection.execute(
        INSERT_COMPANY,
        company_id,
        company.name,
        company.time_zone,
        company.currency,
        vault.lookup(api_key),
        vault.sealed(api_key),
        write_json(company.features),
        company_id % SHARDS if company.shard is None else company.shard,
    )
    return company_id, None if company.api_key else api_key


UPDATE_COMPANY = """
UPDATE companies SET time_zone = $2, currency = $3, features = $4::jsonb, updated_at = now(),
    api_key_hmac = coalesce($5, api_key_hmac),
    api_key_sealed = CASE WHEN $5::bytea IS NULL THEN api_key_sealed ELSE $6 END
WHERE id = $1
"""


async def update_company(connection: Connection, vault: Vault, *, company_id: int, company: Company) -> None:
    """What a file may change of a company."""
    api_key = company.api_key
    await connection.execute(
        UPDATE_COMPANY,
        company_id,
        company.time_zone,
        company.currency,
        write_json(company.features),
        vault.lookup(api_key) if api_key else None,
        vault.sealed(api_key) if api_key else None,
    )


async def save_lists(writing: Writing, steps: Sequence[Step]) -> None:
    """New lists with their seeds, changed ones, and those that go: these hold no numbers."""
    connection, ids = writing.connection, writing.ids
    for step in steps:
        level = Level(step.home[0])
        entity_id = ids.of(level, step.home[1])
        if step.action == "create":
            new: CallerList = step.new
            made = await create_list(
                connection,
                ids.company_id,
                level=level,
                entity_id=entity_id,
                name=new.name,
                expires_after_seconds=new.expires_after_seconds,
            )
            await add_numbers(connection, made, numbers=new.numbers)
            continue
        found = await find_list(connection, ids.company_id, level=level, entity_id=entity_id, name=step.name)
        assert found is not None, "the company is locked, so the list is still there"
        if step.action == "update":
            await set_expiry(connection, found.id, expires_after_seconds=step.new.expires_after_seconds)
        else:
            await delete_list(connection, found)


async def save_key(writing: Writing, key: PostbackKey, *, stored: dict[KeyName, int]) -> MadeKey | None:
    """One new or changed key; what was made. Shape: stored are the ids of keys that are there; a new one is added."""
    ids = writing.ids
    settings = with_ids(key, ids.levels, directories=ids.directories)
    key_id = stored.get(key_name(key))
    if key_id is not None:
        await update_key(writing.connection, key_id, settings=settings, paused=key.paused)
        return None
    new = NewKey(
        company_id=ids.company_id,
        kind=key.kind,
        level=key.level,
        entity_id=ids.of(key.level, key.entity),
        name=key.name,
        settings=settings,
        token=key.token,
        secret=key.secret,
        paused=bool(key.paused),
    )
    made = await insert_key(writing.connection, writing.vault, new=new)
    stored[key_name(key)] = made.id
    return made


async def delete_keys(connection: Connection, key_ids: Sequence[int]) -> None:
    """Keys that the file has no more: gone for good."""
    for key_id in key_ids:
        await tombstone(connection, key_id)
