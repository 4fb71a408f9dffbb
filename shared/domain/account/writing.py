"""From an Account back to the tree that its file is.

Owns what is left out of a file: every field that has its default, and all that a file cannot hold twice, as tokens.
Must never write a token or a secret.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from shared.domain.account.entities import Account, Bid, PostbackKey
from shared.domain.account.postback_keys import THE_COMPANY
from shared.domain.keys import Level


def write_account(account: Account) -> dict[str, Any]:
    """The tree of a file that reads as this account. Shape: keys without their tokens, `paused` only where it is so."""
    return _struct(account)


def _struct(struct: Struct) -> dict[str, Any]:
    if isinstance(struct, PostbackKey):
        return _key(struct)
    if isinstance(struct, Bid) and struct.ask is not None:
        post = {} if struct.post is None else {"post": _struct(struct.post)}
        hidden = {"hide_caller_number": True} if struct.hide_caller_number else {}
        return {**_struct(struct.ask), **hidden, **post}
    return {field.name: _value(value) for field, value in _given(struct)}


def _key(key: PostbackKey) -> dict[str, Any]:
    on: object = THE_COMPANY if key.level is Level.COMPANY else {key.level.value: key.entity}
    named = {word: name for word in ("publisher", "campaign", "directory") if (name := getattr(key, word))}
    paused = {"paused": True} if key.paused else {}
    return {"name": key.name, "kind": key.kind.value, "on": on, **named, **_struct(key.settings), **paused}


def _given(struct: Struct) -> list[tuple[FieldInfo, Any]]:
    """The fields that differ from their defaults."""
    return [
        (field, value)
        for field in fields(struct)
        if field.name not in {"api_key", "token", "secret"}
        and (value := getattr(struct, field.name)) != _default(field)
        and not (field.name == "paused" and value is False)
    ]


def _default(field: FieldInfo) -> Any:
    if field.default is not NODEFAULT:
        return field.default
    return NODEFAULT if field.default_factory is NODEFAULT else field.default_factory()


def _value(value: Any) -> Any:
    if isinstance(value, Struct):
        return _struct(value)
    if isinstance(value, (tuple, list)):
        return [_value(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value
