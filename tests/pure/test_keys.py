"""Keys: where which kind may stand, what may be set on it, and whether it may do what is asked."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from shared.domain.key_settings import (
    BOUNDS,
    PERMISSIONS,
    SETTINGS_OF,
    CallDataWritingSettings,
    CallerListManagementSettings,
    CallTransferSettings,
    KeySettings,
    RtbSettings,
    faults,
    read_settings_json,
    write_settings_json,
)
from shared.domain.keys import LEVELS, Features, Key, Kind, Level, authorize, creatable, feature_on, read_key
from shared.domain.reasons import Reason

_SPEC = {
    Kind.RTB: {Level.CAMPAIGN, Level.PUBLISHER},
    Kind.CALL_DATA_WRITING: {Level.PUBLISHER, Level.COMPANY},
    Kind.CONVERSION: {Level.BUYER, Level.BUYER_GROUP},
    Kind.CALLER_LIST_MANAGEMENT: {Level.CAMPAIGN, Level.BUYER, Level.COMPANY},
    Kind.CALL_REJECTION: {Level.BUYER_GROUP},
    Kind.CALL_TRANSFER: {Level.BUYER_GROUP},
    Kind.DATA_SHARING: {Level.BUYER_GROUP},
}


def a_key(**changed: Any) -> Key:
    fields: dict[str, Any] = {
        "id": 1,
        "company_id": 2,
        "shard": 2,
        "kind": Kind.RTB,
        "level": Level.CAMPAIGN,
        "entity_id": 3,
        "name": "a key",
        "settings": RtbSettings(),
    }
    return Key(**{**fields, **changed})


@pytest.mark.parametrize("kind", _SPEC)
@pytest.mark.parametrize("level", Level)
def test_a_kind_stands_at_its_levels_only(kind: Kind, level: Level) -> None:
    refusal = creatable(kind, level, features=Features())
    assert (refusal is None) == (level in _SPEC[kind])
    if refusal is not None:
        assert str(kind) in refusal


@pytest.mark.parametrize(
    ("kind", "feature"),
    [
        (Kind.RTB, "real_time_bidding"),
        (Kind.CALL_TRANSFER, "live_call_control"),
    ],
)
def test_a_kind_needs_its_feature(kind: Kind, feature: str) -> None:
    off = Features(**{feature: False})
    assert feature in (creatable(kind, LEVELS[kind][0], features=off) or "")
    assert not feature_on(kind, off)
    for other in set(_SPEC) - {kind}:
        assert creatable(other, LEVELS[other][0], features=off) is None
        assert feature_on(other, off)


def test_call_reservation_keys_are_only_imported() -> None:
    assert creatable(Kind.CALL_RESERVATION, Level.CAMPAIGN, features=Features()) is not None
    assert creatable(Kind.CALL_RESERVATION, Level.CAMPAIGN, features=Features(), imported=True) is None
    assert creatable(Kind.CALL_RESERVATION, Level.BUYER, features=Features(), imported=True) is not None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.KEY_UNKNOWN),
        (a_key(deleted=True), Reason.KEY_UNKNOWN),
        (a_key(paused=True), Reason.KEY_PAUSED),
        (a_key(kind=Kind.CONVERSION), Reason.SCOPE),
        (a_key(feature_on=False), Reason.FEATURE_OFF),
        (a_key(), None),
    ],
)
def test_what_is_wrong_with_a_key_is_told(key: Key | None, reason: Reason | None) -> None:
    assert authorize(key, Kind.RTB) is reason


def test_what_is_worse_is_told_first() -> None:
    wrong = {"deleted": True, "paused": True, "kind": Kind.CONVERSION, "feature_on": False}
    order = []
    while wrong:
        order.append(authorize(a_key(**wrong), Kind.RTB))
        wrong.pop(next(iter(wrong)))
    assert order == [Reason.KEY_UNKNOWN, Reason.KEY_PAUSED, Reason.SCOPE, Reason.FEATURE_OFF]


@pytest.mark.parametrize(
    ("addressed", "allowed"),
    [
        ({Level.CAMPAIGN: 3}, True),
        ({Level.CAMPAIGN: 3, Level.COMPANY: 2}, True),
        ({Level.CAMPAIGN: 4}, False),
        ({Level.BUYER: 3}, False),
        ({}, False),
        (None, True),
    ],
)
def test_the_key_must_stand_on_what_is_addressed(
    addressed: Mapping[Level, int] | None, allowed: bool
) -> None:
    assert authorize(a_key(), Kind.RTB, level_entities=addressed) is (None if allowed else Reason.SCOPE)


def test_only_the_diagonal_of_kinds_passes() -> None:
    for own in Kind:
        for asked in Kind:
            key = a_key(kind=own, settings=SETTINGS_OF[own]())
            assert authorize(key, asked) is (None if own is asked else Reason.SCOPE)


def test_the_published_defaults_stand() -> None:
    rtb = RtbSettings()
    assert (rtb.ttl_seconds, rtb.timeout, rtb.ping_shield_scope) == (15, 5.0, "key")
    assert not CallerListManagementSettings().require_secret
    assert len(PERMISSIONS) == 10


@pytest.mark.parametrize("kind", Kind)
def test_settings_come_back_as_they_were_stored(kind: Kind) -> None:
    settings = SETTINGS_OF[kind]()
    assert read_settings_json(kind, write_settings_json(settings)) == settings
    assert read_settings_json(kind, "{}") == settings
    assert faults(settings) == {}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_ends_of_each_range_are_in_it(name: str) -> None:
    bounds = BOUNDS[name]
    kind: Any = CallDataWritingSettings if name == "end_seconds" else RtbSettings
    for value in (bounds.least, bounds.most):
        assert "is " not in faults(kind(**{name: value})).get(name, "")
    for value in (bounds.least - 1, bounds.most + 1):
        assert faults(kind(**{name: value}))[name].startswith("is ")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (CallDataWritingSettings(start_seconds=60), "start_seconds"),
        (CallDataWritingSettings(end_seconds=59), "end_seconds"),
        (CallerListManagementSettings(permissions=("caller_list__shout",)), "permissions"),
        (CallerListManagementSettings(permissions=(PERMISSIONS[0], PERMISSIONS[0])), "permissions"),
        (RtbSettings(shadow=("everything",)), "shadow"),
        (RtbSettings(ping_shield_outbound_count_limit=5), "ping_shield_outbound_count_limit"),
        (RtbSettings(blocked_inbound_percent=5), "claim_percent_threshold"),
    ],
)
def test_what_is_out_of_range_is_named(settings: KeySettings, field: str) -> None:
    assert list(faults(settings)) == [field]


def test_a_wrong_type_in_the_store_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        read_settings_json(Kind.RTB, '{"ttl_seconds": "15"}')


def test_a_row_becomes_a_key() -> None:
    row = {
        "id": 1,
        "company_id": 2,
        "shard": 3,
        "kind": "call_transfer",
        "level": "buyer_group",
        "entity_id": 4,
        "name": "hand over",
        "paused": True,
        "deleted": False,
        "settings": '{"directory_id": 9}',
        "features": '{"live_call_control": false}',
        "version": 7,
    }
    key = read_key(row)
    assert (key.kind, key.level, key.version, key.paused) == (Kind.CALL_TRANSFER, Level.BUYER_GROUP, 7, True)
    assert not key.feature_on
    assert key.settings == CallTransferSettings(directory_id=9)
