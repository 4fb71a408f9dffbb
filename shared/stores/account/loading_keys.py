"""Stored postback keys, as an account file would describe them.

Owns the query that loads the undeleted keys of a company. Must never load a sealed token.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.account.entities import PostbackKey
from shared.domain.account.standing import KeyName, key_name
from shared.domain.key_settings import KeySettings, Kind, read_settings_json
from shared.domain.keys import Level
from shared.stores.postgres import Connection


class StoredKey(Struct, frozen=True, kw_only=True):
    """A key, its id, and the HMAC of its token."""

    id: int
    digest: bytes
    key: PostbackKey


SELECT_KEYS = """
SELECT id, kind, level, entity_id, name, token_hmac, settings::text AS settings, paused
FROM postback_keys WHERE company_id = $1 AND deleted_at IS NULL ORDER BY id
"""


async def load_postback_keys(
    connection: Connection,
    company_id: int,
    *,
    names: Mapping[Level, Mapping[int, str]],
    directories: Mapping[int, str],
) -> dict[KeyName, StoredKey]:
    """The keys by what they are matched by. Shape: names and directories by internal id."""
    found: dict[KeyName, StoredKey] = {}
    for row in await connection.fetch(SELECT_KEYS, company_id):
        kind, level = Kind(row["kind"]), Level(row["level"])
        settings, named = with_names(
            read_settings_json(kind, row["settings"]), names, directories=directories
        )
        key = PostbackKey(
            name=row["name"],
            kind=kind,
            level=level,
            entity=names[level].get(row["entity_id"], ""),
            settings=settings,
            publisher=named.get("publisher", ""),
            campaign=named.get("campaign", ""),
            directory=named.get("directory", ""),
            paused=row["paused"],
        )
        found[key_name(key)] = StoredKey(id=row["id"], digest=row["token_hmac"], key=key)
    return found


def with_names(
    settings: KeySettings, names: Mapping[Level, Mapping[int, str]], *, directories: Mapping[int, str]
) -> tuple[KeySettings, dict[str, str]]:
    """Settings without internal ids, and what these are called in a file."""
    known: Mapping[str, tuple[str, Mapping[int, str]]] = {
        "publisher_id": ("publisher", names[Level.PUBLISHER]),
        "campaign_id": ("campaign", names[Level.CAMPAIGN]),
        "directory_id": ("directory", directories),
    }
    held = {field: getattr(settings, field) for field in known if hasattr(settings, field)}
    bare: Any = replace(settings, **dict.fromkeys(held, 0))
    return bare, {known[field][0]: known[field][1].get(each, "") for field, each in held.items()}


def with_ids(
    key: PostbackKey, ids: Mapping[Level, Mapping[str, int]], *, directories: Mapping[str, int]
) -> KeySettings:
    """A file's settings with the internal ids of what they name."""
    known = {
        "publisher_id": ids[Level.PUBLISHER].get(key.publisher, 0),
        "campaign_id": ids[Level.CAMPAIGN].get(key.campaign, 0),
        "directory_id": directories.get(key.directory, 0),
    }
    held = {field: each for field, each in known.items() if hasattr(key.settings, field)}
    whole: Any = replace(key.settings, **held)
    settings: KeySettings = whole
    return settings
