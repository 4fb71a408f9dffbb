"""The text of an account file as a tree of plain values.

Owns the bounds of a file, and that nothing is lost in reading: `25.00` stays that amount, `0730` and
`+18005550111` stay the texts they are, `on` is a word, a name given twice is told. Must never build anything
but plain values.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar

import yaml

from shared.domain.account.fields import Doubled
from shared.errors import OperatorError

_MOST_BYTES = 4 << 20
_MOST_DEPTH = 24
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")


def read_file(path: Path) -> object:
    """The tree of a YAML or JSON file. Errors: OperatorError in one line."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OperatorError(f"{path}: an account file has at most {_MOST_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{path}: is not UTF-8") from None
    try:
        return read_text(text, as_json=path.suffix.lower() == ".json")
    except ValueError as mistake:
        raise OperatorError(f"{path}: {mistake}") from None


def read_text(text: str, *, as_json: bool = False) -> object:
    """The tree of a text. Errors: ValueError, a sentence that repeats nothing of the text."""
    tree = _read_json(text) if as_json else _read_yaml(text)
    try:
        json.dumps(tree, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:  # an escape spelt half a pair
        raise ValueError("holds a lone surrogate, which is no character") from None
    return tree


def _read_json(text: str) -> object:
    try:
        return json.loads(text, parse_float=_decimal, parse_constant=_no_number, object_pairs_hook=_mapping)
    except json.JSONDecodeError as mistake:
        raise ValueError(f"is no JSON at line {mistake.lineno}, column {mistake.colno}") from None
    except RecursionError:
        raise ValueError(f"goes deeper than {_MOST_DEPTH} levels") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("holds a number with an exponent beyond all bounds") from None


def _no_number(text: str) -> object:
    raise ValueError(f"holds {text}, which is no number")


def _mapping(pairs: list[tuple[Any, Any]]) -> Doubled:
    whole = Doubled()
    twice = []
    for name, value in pairs:
        if "\0" in name:
            raise ValueError("holds a NUL in the name of a field")
        if name in whole:
            twice.append(str(name))
        whole[name] = value
    whole.doubled = tuple(twice)
    return whole


class _Loader(yaml.SafeLoader):
    """Plain values only, read as YAML 1.2 does. No aliases: they would let a small file stand for a huge one."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as the library declares it
    yaml_constructors: ClassVar[dict[Any, Any]] = {None: yaml.SafeLoader.construct_undefined}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("uses an alias, as in *name: write out what it stands for")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise ValueError(f"goes deeper than {_MOST_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _yaml_mapping(loader: _Loader, node: yaml.MappingNode) -> Doubled:
    pairs = []
    for name_node, value_node in node.value:
        if not isinstance(name_node, yaml.ScalarNode):
            raise ValueError(f"has a field without a name at line {name_node.start_mark.line + 1}")
        pairs.append((name_node.value, loader.construct_object(value_node, deep=True)))
    return _mapping(pairs)


def _yaml_sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(each, deep=True) for each in node.value]


_TAG = "tag:yaml.org,2002:"
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(f"{_INT.pattern}$"), list("-0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(f"{_DECIMAL.pattern}$"), list("-+0123456789"))
for _name, _construct in (
    ("map", _yaml_mapping),
    ("seq", _yaml_sequence),
    ("str", lambda _, node: str(node.value)),
    ("null", lambda _, __: None),
    ("bool", lambda _, node: node.value.lower() == "true"),
    ("int", lambda _, node: int(_fitting(_INT, node))),
    ("float", lambda _, node: Decimal(_fitting(_DECIMAL, node))),
):
    _Loader.add_constructor(f"{_TAG}{_name}", _construct)


def _fitting(form: re.Pattern[str], node: yaml.ScalarNode) -> str:
    """A value that may have been given its tag by hand."""
    text = str(node.value)
    if form.fullmatch(text) is None:
        raise ValueError(f"is no YAML at line {node.start_mark.line + 1}: the value does not fit its tag")
    return text


def _read_yaml(text: str) -> object:
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"is no YAML{where}: {mistake.problem or mistake.context}") from None
    except yaml.YAMLError:
        raise ValueError("is no YAML: it holds a character that may not stand there") from None
    except RecursionError:
        raise ValueError(f"goes deeper than {_MOST_DEPTH} levels") from None
    finally:
        if loader is not None:
            loader.dispose()
