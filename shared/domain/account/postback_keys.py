"""Postback keys in an account file.

Owns how a key names its entity and its settings. Must never say whether that entity exists: references.py
does.
"""

import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from shared.domain.account import values
from shared.domain.account.entities import PostbackKey
from shared.domain.account.fields import Fields
from shared.domain.key_settings import SETTINGS_OF, KeySettings, Kind, faults
from shared.domain.keys import LEVELS, Level

_BY_NAME: Mapping[str, str] = {
    "publisher_id": "publisher",
    "campaign_id": "campaign",
    "directory_id": "directory",
}
THE_COMPANY = "company"


def read_postback_key(fields: Fields) -> PostbackKey:
    """One key. Shape: its entity by level and customer-set id; a company's is always called `company`."""
    kind = Kind(fields.choice("kind", tuple(Kind)))
    if fields.raw("kind") != kind:
        fields.pardon()
        return PostbackKey(name="", kind=kind, level=LEVELS[kind][0], entity="", settings=SETTINGS_OF[kind]())
    level, entity = _entity(fields, kind)
    named = {word: fields.text(word) for name, word in _BY_NAME.items() if name in _hints(kind)}
    key = PostbackKey(
        name=fields.text("name", needed=True),
        kind=kind,
        level=level,
        entity=entity,
        settings=_settings(fields, kind),
        token=fields.read("token", values.token, default=None),
        secret=fields.read("secret", values.secret, default=None) if _has_secret(kind) else None,
        paused=fields.truth_or_none("paused"),
        **named,
    )
    if kind is Kind.CALL_RESERVATION and not fields.has("token"):
        fields.note("kind", "call_reservation keys are only imported with their own token: make an rtb key")
    return key


def _entity(fields: Fields, kind: Kind) -> tuple[Level, str]:
    """What stands in `on`: one level and the entity's id; `on: company` for the company's own keys."""
    value = fields.raw("on")
    if value == THE_COMPANY:
        return Level.COMPANY, THE_COMPANY
    inner = fields.inner("on") if isinstance(value, dict) else None
    given = [level for level in Level if inner and inner.has(level)]
    if inner is None or len(given) != 1:
        fields.note("on", f"names one entity, as in {{{LEVELS[kind][0]}: its id}}")
        return LEVELS[kind][0], ""
    level = given[0]
    entity = THE_COMPANY if inner.raw(level) is True else inner.text(level, needed=True)
    inner.close()
    return level, entity


def _settings(fields: Fields, kind: Kind) -> KeySettings:
    hints = _hints(kind)
    given = {name: _setting(fields, name, hint=hint) for name, hint in hints.items() if name not in _BY_NAME}
    settings = SETTINGS_OF[kind](**{name: value for name, value in given.items() if value is not None})
    for name, fault in faults(settings).items():
        fields.note(name, fault)
    return settings


def _setting(fields: Fields, name: str, *, hint: Any) -> Any:
    """The value of one setting, None when it is not given or not of its type."""
    if get_origin(hint) is Literal:
        return fields.choice(name, get_args(hint), default=get_args(hint)[0])
    if get_origin(hint) is tuple:
        return fields.texts(name, str) if fields.has(name) else fields.raw(name)
    arms = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    if bool in arms:
        return fields.truth_or_none(name)
    if float in arms:
        return _ratio(fields, name)
    if int in arms:
        return fields.whole_or_none(name)
    if name == "inbound_number":
        return fields.read(name, values.number, default=None)
    return fields.text(name, longest=64) or None


def _ratio(fields: Fields, name: str) -> float | None:
    value = fields.raw(name)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return float(value)
    if value is not None:
        fields.note(name, "is a number")
    return None


@cache
def _hints(kind: Kind) -> dict[str, Any]:
    return get_type_hints(SETTINGS_OF[kind])


def _has_secret(kind: Kind) -> bool:
    return kind is Kind.CALLER_LIST_MANAGEMENT
