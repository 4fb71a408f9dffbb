"""How an account stands in the store, beside what its file wants.

Owns the Struct that a stored account is loaded into. Must never hold a token.
"""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from shared.domain.account.entities import Account, PostbackKey
from shared.domain.key_settings import Kind
from shared.domain.keys import Level

EntityName: TypeAlias = tuple[Level, str]
ListName: TypeAlias = tuple[Level, str, str]
KeyName: TypeAlias = tuple[Level, str, Kind, str]


class Standing(Struct, frozen=True, kw_only=True):
    """A stored account.

    Shape: account None = there is no such company yet. ids by customer-set id; full_lists hold numbers;
    digests are those of tokens.
    """

    account: Account | None = None
    company_id: int = 0
    shard: int = 0
    ids: Mapping[Level, Mapping[str, int]] = {}
    directory_ids: Mapping[str, int] = {}
    list_ids: Mapping[ListName, int] = {}
    full_lists: frozenset[ListName] = frozenset()
    key_ids: Mapping[KeyName, int] = {}
    digests: Mapping[KeyName, bytes] = {}
    api_key_digest: bytes = b""

    def id_of(self, level: Level, name: str) -> int:
        """An entity's internal id, 0 when it is not stored."""
        return self.ids.get(level, {}).get(name, 0)

    def name_of(self, level: Level, internal: str) -> str:
        """The customer-set id of an internal one, "" when there is none such."""
        if not internal.isdecimal():
            return ""
        found = (name for name, each in self.ids.get(level, {}).items() if each == int(internal))
        return next(found, "")


NOTHING = Standing()


def key_name(key: PostbackKey) -> KeyName:
    """What a key is matched by."""
    return key.level, key.entity, key.kind, key.name
