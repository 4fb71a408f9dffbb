"""Postback keys: who holds one may do one thing on one entity of one company.

Owns which kind stands at which level, and whether a key may do what is asked. Must never look a key up
or see its token. Source: keys.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from shared.domain.key_settings import (
    CallDataWritingSettings,
    CallerListManagementSettings,
    CallRejectionSettings,
    CallTransferSettings,
    ConversionSettings,
    DataSharingSettings,
    KeySettings,
    Kind,
    RtbSettings,
    read_settings_json,
)
from shared.domain.reasons import Reason
from shared.domain.tokens import Draw, compose, token_form

__all__ = [
    "CallDataWritingSettings",
    "CallRejectionSettings",
    "CallTransferSettings",
    "CallerListManagementSettings",
    "ConversionSettings",
    "DataSharingSettings",
    "Features",
    "Key",
    "KeySettings",
    "Kind",
    "Level",
    "RtbSettings",
    "authorize",
    "creatable",
    "make_token",
    "read_key",
    "token_form",
]


class Level(StrEnum):
    """What kind of entity a key stands on."""

    COMPANY = "company"
    PUBLISHER = "publisher"
    BUYER = "buyer"
    BUYER_GROUP = "buyer_group"
    CAMPAIGN = "campaign"


class Features(Struct, frozen=True, kw_only=True):
    """What a company may use. Absent = it may."""

    real_time_bidding: bool = True
    live_call_control: bool = True
    reuse_tags: bool = True


LEVELS: Mapping[Kind, tuple[Level, ...]] = {
    Kind.RTB: (Level.CAMPAIGN, Level.PUBLISHER),
    Kind.CALL_DATA_WRITING: (Level.PUBLISHER, Level.COMPANY),
    Kind.CONVERSION: (Level.BUYER, Level.BUYER_GROUP),
    Kind.CALLER_LIST_MANAGEMENT: (Level.CAMPAIGN, Level.BUYER, Level.COMPANY),
    Kind.CALL_REJECTION: (Level.BUYER_GROUP,),
    Kind.CALL_TRANSFER: (Level.BUYER_GROUP,),
    Kind.DATA_SHARING: (Level.BUYER_GROUP,),
    Kind.CALL_RESERVATION: (Level.CAMPAIGN,),
}
_FEATURE_OF: Mapping[Kind, str] = {
    Kind.RTB: "real_time_bidding",
    Kind.CALL_RESERVATION: "real_time_bidding",
    Kind.CALL_TRANSFER: "live_call_control",
}
_LETTERS: Mapping[Kind, str] = {
    Kind.RTB: "rtb",
    Kind.CALL_DATA_WRITING: "write",
    Kind.CONVERSION: "conv",
    Kind.CALLER_LIST_MANAGEMENT: "list",
    Kind.CALL_REJECTION: "reject",
    Kind.CALL_TRANSFER: "transfer",
    Kind.DATA_SHARING: "read",
}


class Key(Struct, frozen=True, kw_only=True):
    """A key as a request meets it. Shape: version is the config version it was read at."""

    id: int
    company_id: int
    shard: int
    kind: Kind
    level: Level
    entity_id: int
    name: str
    paused: bool = False
    deleted: bool = False
    feature_on: bool = True
    version: int = 0
    settings: KeySettings


def authorize(
    key: Key | None, kind: Kind, *, level_entities: Mapping[Level, int] | None = None
) -> Reason | None:
    """Whether a key may do this kind of thing on what the request addresses; None = it may.

    Shape: level_entities is the addressed entity and those it belongs to, an id for each level; None when the
    request addresses none. The key's own entity must be among them.
    """
    if key is None or key.deleted:
        return Reason.KEY_UNKNOWN
    if key.paused:
        return Reason.KEY_PAUSED
    if key.kind is not kind:
        return Reason.SCOPE
    if level_entities is not None and level_entities.get(key.level) != key.entity_id:
        return Reason.SCOPE
    return None if key.feature_on else Reason.FEATURE_OFF


def creatable(kind: Kind, level: Level, *, features: Features, imported: bool = False) -> str | None:
    """Why no key of this kind can be made at this level; None when it can.

    Shape: imported = it brings its own token from another platform, in an account file.
    """
    if kind is Kind.CALL_RESERVATION and not imported:
        return "call_reservation keys are only imported with their own token: make an rtb key"
    if level not in LEVELS[kind]:
        return f"{kind} keys stand on a {' or '.join(LEVELS[kind])}, not on a {level}"
    feature = _FEATURE_OF.get(kind)
    if feature is not None and not getattr(features, feature):
        return f"{kind} keys need the company's feature {feature}, which is off"
    return None


def make_token(kind: Kind, draw: Draw) -> str:
    """A new token for a key of this kind. Errors: KeyError for a kind that is only imported."""
    return compose(_LETTERS[kind], draw)


def feature_on(kind: Kind, features: Features) -> bool:
    """Whether the company may use keys of this kind."""
    feature = _FEATURE_OF.get(kind)
    return feature is None or bool(getattr(features, feature))


_features = msgspec.json.Decoder(Features).decode


def read_key(row: Mapping[str, Any]) -> Key:
    """A key out of its stored form.

    Shape: id, company_id, shard, kind, level, entity_id, name, paused, deleted, version; settings and features
    as JSON text.
    """
    kind = Kind(row["kind"])
    return Key(
        id=row["id"],
        company_id=row["company_id"],
        shard=row["shard"],
        kind=kind,
        level=Level(row["level"]),
        entity_id=row["entity_id"],
        name=row["name"],
        paused=row["paused"],
        deleted=row["deleted"],
        feature_on=feature_on(kind, _features(row["features"])),
        version=row["version"],
        settings=read_settings_json(kind, row["settings"]),
    )
