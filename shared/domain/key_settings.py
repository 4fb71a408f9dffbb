"""What may be set on a postback key, by its kind.

Owns the Structs that postback_keys.settings holds, and their ranges. Must never hold a token or know who
asks. Source: keys.md, configuration by kind. Entities stand here by internal id; an account file names them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct


class Kind(StrEnum):
    """What a key does."""

    RTB = "rtb"
    CALL_DATA_WRITING = "call_data_writing"
    CONVERSION = "conversion"
    CALLER_LIST_MANAGEMENT = "caller_list_management"
    CALL_REJECTION = "call_rejection"
    CALL_TRANSFER = "call_transfer"
    DATA_SHARING = "data_sharing"
    CALL_RESERVATION = "call_reservation"


SHADOWS = ("rate_limit", "outbound", "claim_rate")
START_SECONDS = (0, 1800, 3600, 7200, 10800, 14400, 43200, 86400)
PERMISSIONS = (
    "caller_list__show",
    "caller_list__index",
    "caller_list__create",
    "caller_list__delete",
    "caller_list__update",
    "caller_list_number__show",
    "caller_list_number__create",
    "caller_list_number__delete",
    "caller_list_upload__create",
    "caller_list_check__create",
)
_MOST_OUTBOUND = 10_000
_DAY_MS = 86_400_000


class Settings(Struct, frozen=True, kw_only=True):
    """What every kind's Struct is."""


class RtbSettings(Settings, frozen=True, kw_only=True):
    """Of an rtb key. Units: ttl_seconds and timeout in s; percentages 0 to 100. 0, "" and None = not set."""

    publisher_id: int = 0
    campaign_id: int = 0
    tag_prefix: str = ""
    ttl_seconds: int = 15
    timeout: float = 5.0
    inbound_number: str = ""
    return_dba: bool = False
    add_to_caps_on_status_reserved: bool = False
    route_only_to_reserved_target: bool = False
    allow_no_caller_number: bool = False
    ping_shield_scope: Literal["key", "campaign"] = "key"
    ping_shield_outbound_count_limit: int | None = None
    ping_shield_outbound_ms_limit: int | None = None
    claim_percent_threshold: float | None = None
    claim_percent_minimum: int = 100
    blocked_inbound_percent: float | None = None
    explain: bool = False
    rate_limit_per_second: int | None = None
    shadow: tuple[str, ...] = ()
    test: bool = False


class CallDataWritingSettings(Settings, frozen=True, kw_only=True):
    """Of a call_data_writing key. Units: s after a call's end."""

    tag_prefix: str = ""
    start_seconds: int = 0
    end_seconds: int = 86400
    reuse_tags_on_repeat_calls: bool = False


class ConversionSettings(Settings, frozen=True, kw_only=True):
    """Of a conversion key: nothing."""


class DataSharingSettings(Settings, frozen=True, kw_only=True):
    """Of a data_sharing key: the tags that may be read."""

    tag_keys: tuple[str, ...] = ()


class CallRejectionSettings(Settings, frozen=True, kw_only=True):
    """Of a call_rejection key: who may get the call then."""

    fallback: Literal["group", "campaign"] = "group"


class CallTransferSettings(Settings, frozen=True, kw_only=True):
    """Of a call_transfer key: where calls may go."""

    directory_id: int = 0


class CallerListManagementSettings(Settings, frozen=True, kw_only=True):
    """Of a caller_list_management key."""

    permissions: tuple[str, ...] = ()
    require_secret: bool = False


KeySettings: TypeAlias = (
    RtbSettings
    | CallDataWritingSettings
    | ConversionSettings
    | DataSharingSettings
    | CallRejectionSettings
    | CallTransferSettings
    | CallerListManagementSettings
)

SETTINGS_OF: Mapping[Kind, type[KeySettings]] = {
    Kind.RTB: RtbSettings,
    Kind.CALL_DATA_WRITING: CallDataWritingSettings,
    Kind.CONVERSION: ConversionSettings,
    Kind.CALLER_LIST_MANAGEMENT: CallerListManagementSettings,
    Kind.CALL_REJECTION: CallRejectionSettings,
    Kind.CALL_TRANSFER: CallTransferSettings,
    Kind.DATA_SHARING: DataSharingSettings,
    Kind.CALL_RESERVATION: RtbSettings,
}
_DECODERS = {kind: msgspec.json.Decoder(struct) for kind, struct in SETTINGS_OF.items()}
_encode = msgspec.json.Encoder().encode


def read_settings_json(kind: Kind, text: str) -> KeySettings:
    """The settings as stored. Errors: msgspec.ValidationError when they are not that kind's."""
    settings: KeySettings = _DECODERS[kind].decode(text)
    return settings


def write_settings_json(settings: KeySettings) -> str:
    """The settings as they are stored: every field, so that a default that changes later changes no key."""
    return _encode(settings).decode()


class Bounds(Struct, frozen=True, kw_only=True):
    """The range of a number, both ends in it."""

    least: float
    most: float
    unit: str = ""


BOUNDS: Mapping[str, Bounds] = {
    "ttl_seconds": Bounds(least=10, most=999, unit="s"),
    "timeout": Bounds(least=0.1, most=30, unit="s"),
    "ping_shield_outbound_count_limit": Bounds(least=1, most=_MOST_OUTBOUND),
    "ping_shield_outbound_ms_limit": Bounds(least=1, most=_DAY_MS, unit="ms"),
    "claim_percent_threshold": Bounds(least=0, most=100, unit="%"),
    "claim_percent_minimum": Bounds(least=1, most=1_000_000),
    "blocked_inbound_percent": Bounds(least=0, most=100, unit="%"),
    "rate_limit_per_second": Bounds(least=1, most=1_000_000, unit="a second"),
    "end_seconds": Bounds(least=60, most=86400, unit="s"),
}
_PAIRS = (
    ("ping_shield_outbound_count_limit", "ping_shield_outbound_ms_limit"),
    ("claim_percent_threshold", "blocked_inbound_percent"),
)
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "start_seconds": START_SECONDS,
    "permissions": PERMISSIONS,
    "shadow": SHADOWS,
}


def faults(settings: KeySettings) -> dict[str, str]:
    """What is out of range, by field, a sentence each."""
    values: dict[str, Any] = msgspec.structs.asdict(settings)
    found = {name: fault for name, value in values.items() if (fault := _fault(name, value))}
    for one, other in _PAIRS:
        if (values.get(one) is None) != (values.get(other) is None):
            found.setdefault(one, f"needs {other} beside it, and the other way round")
    return found


def _fault(name: str, value: Any) -> str:
    bounds = BOUNDS.get(name)
    if bounds is not None and value is not None and not bounds.least <= value <= bounds.most:
        return f"is {bounds.least:g} to {bounds.most:g} {bounds.unit}".rstrip()
    choices = _CHOICES.get(name)
    if choices is None:
        return ""
    given = value if isinstance(value, tuple) else (value,)
    if any(each not in choices for each in given):
        return "is of " + ", ".join(str(choice) for choice in choices)
    return "names one twice" if len(set(given)) < len(given) else ""
