"""How settings are read: environment only, prefix RINGPOST_, every problem reported at once.

Owns the reading of a service's frozen Struct and the rows its documentation is made of. Must never print,
log or put into an error the value of a setting.
"""

import types
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from shared.errors import SettingsError

PREFIX = "RINGPOST_"
FILE_SUFFIX = "_FILE"
OPERATOR_NAMES = frozenset({"RINGPOST_HOME"})  # the local runner's own, seen by every process it starts

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

T = TypeVar("T", bound=Struct)
Network = IPv4Network | IPv6Network


class Secret:
    """A value that is handed over only by `reveal()`: neither repr, str, format nor an encoder shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class Setting(Struct, frozen=True, kw_only=True):
    """What a reader of the documentation must know of one setting, and its bounds (inclusive)."""

    what: str
    why: str = ""
    unit: str = ""
    least: float | None = None
    most: float | None = None


class SettingRow(Struct, frozen=True, kw_only=True):
    """One line of docs/configuration.md."""

    name: str
    what: str
    unit: str
    default: str
    bounds: str
    why: str
    secret: bool


class _Field(Struct, frozen=True, kw_only=True):
    name: str
    attribute: str
    kind: Any
    optional: bool
    setting: Setting
    default: Any

    @property
    def secret(self) -> bool:
        return self.kind is Secret


def read_settings(cls: type[T], env: Mapping[str, str], *, known: Iterable[type[Struct]] = ()) -> T:
    """The service's settings out of the environment; an empty value counts as not given.

    Shape: known are the settings of all services, so that one environment may serve several of them.
    Errors: SettingsError with every unknown name, bad value and missing value.
    """
    own = _fields_of(cls)
    problems = _unknown_names(env, [*own, *(field for other in known for field in _fields_of(other))])
    values: dict[str, Any] = {}
    for field in own:
        try:
            values[field.attribute] = _read_field(field, env)
        except ValueError as problem:
            problems.append(str(problem))
    if problems:
        raise SettingsError(tuple(problems))
    return cls(**values)


def describe(cls: type[Struct]) -> tuple[SettingRow, ...]:
    """The rows of a settings Struct for docs/configuration.md, in the order of its fields."""
    return tuple(
        SettingRow(
            name=field.name,
            what=field.setting.what,
            unit=field.setting.unit,
            default="required" if field.default is NODEFAULT else _shown(field.default),
            bounds=_bounds(field.setting),
            why=field.setting.why,
            secret=field.secret,
        )
        for field in _fields_of(cls)
    )


def _fields_of(cls: type[Struct]) -> list[_Field]:
    hints = get_type_hints(cls, include_extras=True)
    return [_field(info, hints[info.name]) for info in fields(cls)]


def _field(info: FieldInfo, hint: Any) -> _Field:
    assert get_origin(hint) is Annotated, f"setting {info.name} is not documented"
    kind, setting = get_args(hint)[:2]
    optional = get_origin(kind) in {Union, types.UnionType} and type(None) in get_args(kind)
    if optional:
        (kind,) = (arm for arm in get_args(kind) if arm is not type(None))
    default = info.default
    if default is NODEFAULT and info.default_factory is not NODEFAULT:
        default = info.default_factory()
    return _Field(
        name=PREFIX + info.name.upper(),
        attribute=info.name,
        kind=kind,
        optional=optional,
        setting=setting,
        default=default,
    )


def _unknown_names(env: Mapping[str, str], known: Iterable[_Field]) -> list[str]:
    names = {field.name for field in known} | OPERATOR_NAMES
    names |= {field.name + FILE_SUFFIX for field in known if field.secret}
    problems = []
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.8)
            problems.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return problems


def _read_field(field: _Field, env: Mapping[str, str]) -> Any:
    text = env.get(field.name, "")
    file_name = env.get(field.name + FILE_SUFFIX, "") if field.secret else ""
    if file_name:
        if text:
            raise ValueError(f"{field.name} and {field.name}{FILE_SUFFIX} are both given")
        text = _read_file(field.name, file_name)
    if not text:
        if field.default is NODEFAULT:
            raise ValueError(f"{field.name} is required: {field.setting.what}")
        return field.default
    return _converted(field, text)


def _read_file(name: str, file_name: str) -> str:
    try:
        text = Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"{name}{FILE_SUFFIX}: the file cannot be read") from problem
    if not text:
        raise ValueError(f"{name}{FILE_SUFFIX}: the file is empty")
    return text


def _converted(field: _Field, text: str) -> Any:
    kind, name = field.kind, field.name
    if kind is Secret:
        return Secret(text)
    if kind is bool:
        return _read_bool(name, text)
    if kind in {int, float}:
        return _read_number(field, text)
    if kind is date:
        return _read_date(name, text)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}")
        return text
    if get_origin(kind) is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(parts) if get_args(kind)[0] is str else _read_networks(name, parts)
    assert kind is str, f"setting {name} has a type that cannot be read"
    return text


def _read_bool(name: str, text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{name} must be true or false")
    return word in _TRUE


def _read_date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise ValueError(f"{name} must be a date like 2027-12-31") from problem


def _read_number(field: _Field, text: str) -> int | float:
    name, kind, setting = field.name, field.kind, field.setting
    try:
        number: int | float = kind(text)
    except ValueError as problem:
        raise ValueError(f"{name} must be a {'whole ' if kind is int else ''}number") from problem
    least, most = setting.least, setting.most
    too_small = least is not None and not number >= least
    too_large = most is not None and not number <= most
    if too_small or too_large or number != number:  # noqa: PLR0124 - NaN is the number that is not itself
        raise ValueError(f"{name} must be {_bounds(setting)} {setting.unit}".rstrip())
    return number


def _read_networks(name: str, parts: list[str]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as problem:
        raise ValueError(f"{name} must be networks like 10.0.0.0/8, separated by commas") from problem


def _bounds(setting: Setting) -> str:
    if setting.least is not None and setting.most is not None:
        return f"{setting.least:.15g} to {setting.most:.15g}"
    if setting.least is not None:
        return f"{setting.least:.15g} or more"
    return f"{setting.most:.15g} or less" if setting.most is not None else ""


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "(none)"
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, Secret):
        return "(secret)"
    return "(none)" if default in (None, "") else str(default)
