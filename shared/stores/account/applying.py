"""A file's account made true in Postgres: compared, judged, written and told, in one transaction.

Owns the order of an apply. Must never write anything when there is a single problem, nor leave a part behind.
Applies of one company queue up: new ones on the name, all others on the company's row.
"""

from collections.abc import Iterator, Sequence
from secrets import token_hex

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from shared.domain.account.entities import Account
from shared.domain.account.fields import Problem
from shared.domain.account.judging import check_prune, check_standing
from shared.domain.account.references import check_references
from shared.domain.account.settling import settle
from shared.domain.account.standing import Standing, key_name
from shared.domain.account.steps import Step, compare
from shared.domain.tokens import Hidden
from shared.errors import OperatorError
from shared.stores import audit, config
from shared.stores.account.deeds import deed_of
from shared.stores.account.loading import load_standing
from shared.stores.account.reloads import changes_by_routing, own_changes
from shared.stores.account.saving import CreatedKey, save_steps
from shared.stores.keys import Vault
from shared.stores.postgres import Connection, Postgres


class AccountError(OperatorError):
    """An account file with problems: nothing was applied."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"{source}: {each.path}: {each.text}" for each in self.problems))


class Order(Struct, frozen=True, kw_only=True):
    """What is to be applied. Shape: problems are those of reading; source is the file's name."""

    account: Account
    problems: tuple[Problem, ...] = ()
    source: str = "account"
    actor: str
    prune: bool = False


class Applied(Struct, frozen=True, kw_only=True):
    """What was changed, or would be. Shape: company_id 0 = there is none yet."""

    company_id: int
    steps: tuple[Step, ...]
    created: tuple[CreatedKey, ...] = ()
    api_key: Hidden | None = None


async def plan_account(postgres: Postgres, vault: Vault, *, order: Order) -> Applied:
    """What apply would do. Errors: AccountError, with every problem."""
    async with postgres.transaction(isolation="repeatable_read", readonly=True) as connection:
        standing = await load_standing(connection, order.account.company.name)
        return Applied(
            company_id=standing.company_id,
            steps=await _judged(connection, vault, order=order, standing=standing),
        )


LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtextextended('company ' || $1::text, 0))"


async def apply_account(postgres: Postgres, vault: Vault, *, order: Order) -> Applied:
    """Make the stored account as the file says.

    Errors: AccountError, with every problem; OperatorError when somebody else was quicker. Nothing is
    applied then.
    """
    try:
        async with postgres.transaction() as connection:
            await connection.execute(LOCK_NAME, order.account.company.name)
            await config.lock_company_named(connection, order.account.company.name)
            standing = await load_standing(connection, order.account.company.name)
            steps = await _judged(connection, vault, order=order, standing=standing)
            if not steps:
                return Applied(company_id=standing.company_id, steps=())
            return await _written(connection, vault, order=order, standing=standing, steps=steps)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.TransactionRollbackError):
        raise OperatorError("somebody else changed the same things meanwhile: apply again") from None


async def _judged(
    connection: Connection, vault: Vault, *, order: Order, standing: Standing
) -> tuple[Step, ...]:
    """The steps. Errors: AccountError."""
    problems = [
        *order.problems,
        *check_references(order.account, standing),
        *check_standing(order.account, standing),
        *await _taken_numbers(connection, order.account, standing=standing),
        *await _taken_tokens(connection, vault, account=order.account, standing=standing),
    ]
    if problems:
        raise AccountError(order.source, problems)
    wanted = settle(order.account, standing, draw_cid=lambda: token_hex(4))
    api_key = wanted.company.api_key
    if api_key is not None and vault.lookup(api_key) == standing.api_key_digest:
        wanted = replace(wanted, company=replace(wanted.company, api_key=None))
    steps = compare(standing, wanted, prune=order.prune)
    if unwanted := tuple(check_prune(steps, standing)):
        raise AccountError(order.source, unwanted)
    return steps


async def _written(
    connection: Connection, vault: Vault, *, order: Order, standing: Standing, steps: tuple[Step, ...]
) -> Applied:
    before = await changes_by_routing(connection, standing, steps=steps)
    saved = await save_steps(connection, vault, standing=standing, steps=steps)
    changes = own_changes(saved.ids, saved.key_ids, steps=steps)
    changes |= before | await changes_by_routing(connection, standing, steps=steps)
    if changes:
        await config.bump(connection, saved.ids.company_id, changes=changes)
    deeds = [deed_of(step, saved.ids, key_ids=saved.key_ids) for step in steps]
    await audit.append(connection, saved.ids.company_id, actor=order.actor, deeds=deeds)
    return Applied(company_id=saved.ids.company_id, steps=steps, created=saved.created, api_key=saved.api_key)


FIND_TAKEN = "SELECT number FROM numbers WHERE number = ANY($1::text[]) AND company_id <> $2"


async def _taken_numbers(connection: Connection, account: Account, *, standing: Standing) -> list[Problem]:
    """Numbers of the file that another company has."""
    places = {
        number.number: f"campaigns[{place}].numbers[{spot}].number"
        for place, campaign in enumerate(account.campaigns)
        for spot, number in enumerate(campaign.numbers)
        if number.number
    }
    rows = await connection.fetch(FIND_TAKEN, list(places), standing.company_id)
    return [Problem(path=places[row["number"]], text="is a number of another company") for row in rows]


FIND_TOKENS = """
SELECT token_hmac, deleted_at IS NOT NULL AS deleted FROM postback_keys WHERE token_hmac = ANY($1::bytea[])
"""


async def _taken_tokens(
    connection: Connection, vault: Vault, *, account: Account, standing: Standing
) -> Iterator[Problem]:
    """Tokens of the file that are or were another key's, or would replace a key's own."""
    given = {
        place: vault.lookup(key.token)
        for place, key in enumerate(account.postback_keys)
        if key.token is not None
    }
    rows = await connection.fetch(FIND_TOKENS, list(given.values()))
    deleted = {row["token_hmac"]: row["deleted"] for row in rows}
    return _token_problems(account, standing, given=given, deleted=deleted)


def _token_problems(
    account: Account, standing: Standing, *, given: dict[int, bytes], deleted: dict[bytes, bool]
) -> Iterator[Problem]:
    for place, lookup in given.items():
        path = f"postback_keys[{place}].token"
        own = standing.digests.get(key_name(account.postback_keys[place]))
        if own == lookup:
            continue
        if own is not None:
            yield Problem(path=path, text="is another than this key has: tokens stay; name a new key")
        elif deleted.get(lookup):
            yield Problem(path=path, text="is that of a deleted key: it is never used again")
        elif lookup in deleted:
            yield Problem(path=path, text="is that of another key")
