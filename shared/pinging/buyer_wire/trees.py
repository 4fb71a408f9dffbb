"""A buyer's answer as a tree in which parts are found by their paths, JSON or XML.

Owns how bytes of strangers are read: nothing in them raises, expands or goes deeper than the interpreter. Must never say what a
part means.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import ElementTree

from shared.domain.asks import Path
from shared.domain.parameters import LONGEST_NAME, LONGEST_VALUE

_BOM = b"\xef\xbb\xbf"
_LARGEST = 10**LONGEST_VALUE
_decode = msgspec.json.Decoder(float_hook=str).decode  # a fraction stays as it was written


class JsonTree:
    """An answer in JSON, an object or a list."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def root(self) -> Iterator[tuple[str, str]]:
        """The plain values at the root that may be tags."""
        if isinstance(self._node, dict):
            for name, value in self._node.items():
                text = _plain(value)
                if text is not None and _is_name(name):
                    yield name, text

    def find(self, path: Path) -> str | None:
        """The plain value at a path, None where there is none."""
        node = self._node
        for step in path:
            if isinstance(step, str):
                node = node.get(step) if isinstance(node, dict) else None
            else:
                node = node[step] if isinstance(node, list) and step < len(node) else None
        return _plain(node)


class XmlTree:
    """An answer in XML: by the names of elements under the root; of several alike the first, or the one that an index says."""

    def __init__(self, root: Element) -> None:
        self._root = root

    def root(self) -> Iterator[tuple[str, str]]:
        """The plain values at the root that may be tags."""
        for child in self._root:
            text = None if len(child) else _sound(_text(child))
            if text is not None and _is_name(_name(child)):
                yield _name(child), text

    def find(self, path: Path) -> str | None:
        """The plain value at a path, None where there is none."""
        found = [self._root]
        for step in path:
            if isinstance(step, str):
                found = [child for parent in found[:1] for child in parent if _name(child) == step]
            else:
                found = found[step : step + 1]
        return _sound(_text(found[0])) if found and not len(found[0]) else None


def read_tree(body: bytes) -> JsonTree | XmlTree | None:
    """The answer as a tree; None for what is neither JSON nor XML. Shape: body is bounded by whoever read it."""
    text = body.removeprefix(_BOM).strip()
    try:
        if text.startswith(b"<"):
            return XmlTree(ElementTree.fromstring(text, forbid_dtd=True))
        node = _decode(text)
    except (
        ParseError,
        ValueError,
        LookupError,
        RecursionError,
    ):  # LookupError: an encoding that nobody knows
        return None
    return JsonTree(node) if isinstance(node, dict | list) else None


def _is_name(name: str) -> bool:
    """Whether a tag may be called so."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _plain(value: Any) -> str | None:
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    # Compared before it is written out: digits cost the square of their number.
    return str(value) if isinstance(value, int) and abs(value) < _LARGEST else None


def _sound(text: str) -> str | None:
    return text if len(text) <= LONGEST_VALUE and "\0" not in text else None


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element) -> str:
    return (element.text or "").strip()
