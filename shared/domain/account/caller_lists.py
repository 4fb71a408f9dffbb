"""Caller lists in an account file.

Owns how a list of a company, a campaign or a buyer is read. Must never take a big one: uploads do.
"""

from shared.domain.account import values
from shared.domain.account.entities import CallerList
from shared.domain.account.fields import Fields

MOST_SEEDS = 10_000


def read_caller_lists(fields: Fields) -> tuple[CallerList, ...]:
    """The caller lists of an entity."""
    return fields.each("caller_lists", _caller_list)


def _caller_list(fields: Fields) -> CallerList:
    numbers = fields.texts("numbers", values.number)
    if len(numbers) > MOST_SEEDS:
        fields.note("numbers", f"seeds at most {MOST_SEEDS} numbers: upload bigger lists")
    return CallerList(
        name=fields.read("name", values.list_name, default="", needed=True),
        numbers=tuple(dict.fromkeys(numbers)),
        expires_after_seconds=fields.whole_or_none("expires_after_seconds", 1),
    )
