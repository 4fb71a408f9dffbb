"""The fields of one mapping in an account file, each asked for once.

Owns how plain values are read and how each mistake is noted with its path, so that all are told at once. Must
never stop at a mistake, nor repeat a value that could be a token or a number.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

from msgspec import Struct

from shared.domain.money import read_amount

T = TypeVar("T")
D = TypeVar("D")

_LONGEST = 200
_LARGEST = 2_147_483_647


class Problem(Struct, frozen=True, kw_only=True, order=True):
    """A mistake: where, as in `campaigns[0].routing.buyers[2].tid`, and what, as in `names no buyer`."""

    path: str
    text: str


class Doubled(dict[str, object]):
    """A mapping whose text gave some of its names twice."""

    doubled: tuple[str, ...] = ()


class Fields:
    """One mapping. A bad value is noted and read as its default."""

    def __init__(self, value: object, path: str, *, problems: list[Problem]) -> None:
        self.path = path
        self._problems = problems
        self._asked: list[str] = []
        self._values: dict[str, object] = {}
        if isinstance(value, dict):
            self._values = {str(name): each for name, each in value.items()}
        elif value is not None:
            self.note("", "is a mapping of fields")
        for name in getattr(value, "doubled", ()):
            self.note(name, "is given twice")

    def note(self, name: str, text: str) -> None:
        """A mistake in a field, or in the whole mapping when the name is empty."""
        self._problems.append(Problem(path=self.where(name), text=text))

    def where(self, name: str) -> str:
        """A field's path."""
        return ".".join(part for part in (self.path, name) if part)

    def close(self) -> None:
        """Note every field that nobody asked for."""
        for name in self._values:
            if name not in self._asked:
                near = get_close_matches(name, self._asked, n=1, cutoff=0.7)
                hint = f": did you mean {near[0]}?" if near else ""
                self.note(name[:60], f"is no field here{hint}")

    def pardon(self) -> None:
        """Ask no more: what is given besides cannot be judged."""
        self._asked += self._values

    def complete(self, defaults: Mapping[str, object]) -> None:
        """Take from others what is not given here, in the mappings inside as well."""
        self._values = _completed(self._values, defaults)

    def has(self, name: str) -> bool:
        """Whether the field is given; null is not."""
        return self._values.get(name) is not None

    def raw(self, name: str) -> object:
        """The value as it stands, None when it is not given."""
        self._asked.append(name)
        return self._values.get(name)

    def text(self, name: str, default: str = "", *, longest: int = _LONGEST, needed: bool = False) -> str:
        """A text; a number is taken as it was written."""
        value = self.raw(name)
        if value is None or value == "":
            if needed:
                self.note(name, "is needed")
            return default
        if isinstance(value, (bool, list, dict)) or not isinstance(value, (str, int, Decimal)):
            self.note(name, "is a text: put it in quotes")
            return default
        text = str(value)
        if len(text) > longest or "\0" in text:
            self.note(name, f"has at most {longest} characters, and no NUL")
            return default
        return text

    def whole(self, name: str, default: int, *, least: int = -_LARGEST, most: int = _LARGEST) -> int:
        """A whole number in a range."""
        found = self.whole_or_none(name, least, most=most)
        return default if found is None else found

    def whole_or_none(self, name: str, least: int = 0, *, most: int = _LARGEST) -> int | None:
        """The same, None when it is not given."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.note(name, "is a whole number")
            return None
        if not least <= value <= most:
            self.note(name, f"is {least} to {most}" if most < _LARGEST else f"is {least} or more")
            return None
        return value

    def truth(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        return default if (found := self.truth_or_none(name)) is None else found

    def truth_or_none(self, name: str) -> bool | None:
        """The same, None when it is not given."""
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return value
        self.note(name, "is true or false")
        return None

    def choice(self, name: str, choices: Iterable[str], *, default: str = "") -> str:
        """One of some words; needed when there is no default."""
        words = tuple(choices)
        text = self.text(name, default, needed=not default)
        if text in words:
            return text
        if text:
            self.note(name, f"is one of {', '.join(words)}")
        return default or words[0]

    def money(self, name: str) -> Decimal | None:
        """An amount, None when it is not given."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, (str, int, Decimal)):
            return self._tried(name, read_amount, value=value, default=None)
        self.note(name, "is an amount: write it as in 12.50")
        return None

    def read(self, name: str, reader: Callable[[str], T], *, default: D, needed: bool = False) -> T | D:
        """A text that means something: what the reader makes of it. Errors of the reader are ValueErrors."""
        text = self.text(name, longest=32_768, needed=needed)
        return self._tried(name, reader, value=text, default=default) if text else default

    def inner(self, name: str) -> "Fields":
        """A mapping inside; an empty one when it is not given. Its reader closes it."""
        return Fields(self.raw(name), self.where(name), problems=self._problems)

    def each(self, name: str, read: Callable[["Fields"], T]) -> tuple[T, ...]:
        """A list of mappings, each read whole."""
        found = []
        for place, value in enumerate(self._listed(name)):
            fields = Fields(
                {} if value is None else value, f"{self.where(name)}[{place}]", problems=self._problems
            )
            found.append(read(fields))
            fields.close()
        return tuple(found)

    def texts(self, name: str, reader: Callable[[str], str] = str) -> tuple[str, ...]:
        """A list of texts; those that cannot be read are noted and stand in it empty."""
        found = []
        for place, value in enumerate(self._listed(name)):
            slot = f"{name}[{place}]"
            if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or value == "":
                self.note(slot, "is a text: put it in quotes")
                found.append("")
            else:
                found.append(self._tried(slot, reader, value=str(value), default=""))
        return tuple(found)

    def named_texts(self, name: str, *, longest: int = 512, most: int = 100) -> dict[str, str]:
        """A mapping of names to texts."""
        inner = self.inner(name)
        names = list(inner._values)
        if len(names) > most:
            self.note(name, f"has at most {most} entries")
        return {each: inner.text(each, longest=longest) for each in names[:most]}

    def _listed(self, name: str) -> Sequence[object]:
        value = self.raw(name)
        if isinstance(value, list):
            return value
        if value is not None:
            self.note(name, "is a list")
        return ()

    def _tried(self, name: str, reader: Callable[[Any], T], *, value: object, default: D) -> T | D:
        try:
            return reader(value)
        except ValueError as mistake:
            self.note(name, str(mistake))
            return default


def _completed(given: dict[str, object], defaults: Mapping[str, object]) -> Doubled:
    whole = Doubled(defaults)
    whole.doubled = getattr(given, "doubled", ())
    for name, value in given.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            whole[name] = _completed(value, default)
        elif value is not None:
            whole[name] = value
    return whole
