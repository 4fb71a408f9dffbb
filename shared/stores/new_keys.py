"""A single key made by hand, judged as an account file's would be.

Owns the way from a person's words to a new key. Must never make what an account file could not.
"""

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.account.fields import Fields, Problem
from shared.domain.account.judging import check_standing
from shared.domain.account.postback_keys import read_postback_key
from shared.domain.account.references import check_references
from shared.domain.account.standing import Standing, key_name
from shared.domain.key_settings import Kind
from shared.domain.keys import Level
from shared.errors import OperatorError
from shared.stores.account.file import read_text
from shared.stores.account.loading import load_standing
from shared.stores.account.loading_keys import with_ids
from shared.stores.config import lock_company_named
from shared.stores.keys import KeyRow, MadeKey, NewKey, Vault, create_key, load_keys
from shared.stores.postgres import Connection

_NOT_HERE = ("token", "secret", "on", "name", "kind")


class WantedKey(Struct, frozen=True, kw_only=True):
    """A key in words. Shape: entity is `company` or `<level>:<id>`; settings are `field=value`."""

    company: str
    kind: str
    entity: str
    name: str
    settings: tuple[str, ...] = ()


async def make_wanted(
    connection: Connection, vault: Vault, *, wanted: WantedKey, actor: str
) -> tuple[KeyRow, MadeKey]:
    """Make the key. Errors: OperatorError, a line for each thing that is wrong."""
    await lock_company_named(connection, wanted.company)
    standing = await load_standing(connection, wanted.company)
    if standing.account is None:
        raise OperatorError(f"there is no company {wanted.company}")
    problems: list[Problem] = []
    fields = Fields(_tree(wanted), "", problems=problems)
    key = read_postback_key(fields)
    fields.close()
    if key.level is Level.COMPANY:
        key = replace(key, entity="company")
    one = replace(standing.account, postback_keys=(key,))
    problems += [*check_references(one, standing), *check_standing(one, standing)]
    if key_name(key) in standing.key_ids:
        problems.append(Problem(path="name", text="is that of another such key there"))
    if problems:
        raise OperatorError("\n".join(_said(each) for each in problems))
    new = NewKey(
        company_id=standing.company_id,
        kind=Kind(wanted.kind),
        level=key.level,
        entity_id=standing.ids[key.level][key.entity],
        name=key.name,
        settings=with_ids(key, _all_ids(standing), directories=standing.directory_ids),
    )
    made = await create_key(connection, vault, new=new, actor=actor)
    (row,) = await load_keys(connection, key_id=made.id)
    return row, made


def _tree(wanted: WantedKey) -> dict[str, object]:
    level, _, entity = wanted.entity.partition(":")
    tree: dict[str, object] = {"name": wanted.name, "kind": wanted.kind}
    tree["on"] = {level: entity} if entity else level
    for setting in wanted.settings:
        name, equals, text = setting.partition("=")
        if not equals or name in _NOT_HERE:
            raise OperatorError("--set takes FIELD=VALUE, a setting of the key's kind")
        try:
            tree[name] = read_text(text)
        except ValueError as mistake:
            raise OperatorError(f"{name}: {mistake}") from None
    return tree


def _all_ids(standing: Standing) -> dict[Level, dict[str, int]]:
    return {level: dict(standing.ids.get(level, {})) for level in Level}


def _said(problem: Problem) -> str:
    return f"{problem.path.removeprefix('postback_keys[0].')}: {problem.text}"
