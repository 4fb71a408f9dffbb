"""The internal ids of an account's entities while it is written.

Owns taking ids for new entities before any of them is written. Must never be kept beyond the transaction.
"""

from collections.abc import Sequence

from msgspec import Struct

from shared.domain.account.standing import Standing
from shared.domain.account.steps import Noun, Step
from shared.domain.account.system_ids import renamed
from shared.domain.keys import Level
from shared.stores.keys import Vault
from shared.stores.postgres import Connection

_TABLES = {
    Noun.PUBLISHER: "publishers",
    Noun.BUYER: "buyers",
    Noun.BUYER_GROUP: "buyer_groups",
    Noun.CAMPAIGN: "campaigns",
    Noun.DIRECTORY: "directories",
}
_LEVELS = {
    Noun.PUBLISHER: Level.PUBLISHER,
    Noun.BUYER: Level.BUYER,
    Noun.BUYER_GROUP: Level.BUYER_GROUP,
    Noun.CAMPAIGN: Level.CAMPAIGN,
}


class Ids:
    """Ids by customer-set id, of what is stored and what will be."""

    def __init__(self, company_id: int, standing: Standing) -> None:
        self.company_id = company_id
        self.levels: dict[Level, dict[str, int]] = {
            level: dict(standing.ids.get(level, {})) for level in Level
        }
        self.directories = dict(standing.directory_ids)

    def of(self, level: Level, name: str) -> int:
        """An entity's id. Errors: KeyError when it neither is nor will be there."""
        return self.company_id if level is Level.COMPANY else self.levels[level][name]

    def of_noun(self, noun: Noun) -> dict[str, int]:
        """The ids of everything of one kind."""
        return self.directories if noun is Noun.DIRECTORY else self.levels[_LEVELS[noun]]

    def rules(self, rules: Sequence[str]) -> list[str]:
        """Rules as they are stored: what they name by internal id."""
        return [renamed(rule, lambda level, name: str(self.of(level, name))) for rule in rules]


class Writing(Struct, frozen=True, kw_only=True):
    """What every statement of an apply is run with."""

    connection: Connection
    vault: Vault
    ids: Ids


TAKE_IDS = "SELECT nextval(pg_get_serial_sequence($1, 'id')) AS id FROM generate_series(1, $2)"


async def take_ids(writing: Writing, steps: Sequence[Step]) -> None:
    """Give an id to everything that is to be made. Cost: a query for each kind of entity."""
    for noun, table in _TABLES.items():
        new = [step.name for step in steps if step.noun is noun and step.action == "create"]
        if new:
            rows = await writing.connection.fetch(TAKE_IDS, table, len(new))
            writing.ids.of_noun(noun).update(zip(new, (row["id"] for row in rows), strict=True))
