"""A buyer's answer as a tree in which parts are found by their paths, JSON or XML.

Owns how bytes of strangers are read: nothing in them raises, expands or goes deeper than the interpreter. Must never say what a
part means.
"""

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import ElementTree
from msgspec import Struct

from shared.domain.asks import Path
from shared.domain.parameters import is_sound, root_scalars, sound_ones

_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder(float_hook=str).decode  # a fraction stays as it was written


class Tree(Struct, frozen=True, kw_only=True):
    """An answer. Shape: root holds the plain values at its root; find gives the one at a path, None where there is none."""

    root: Mapping[str, str]
    find: Callable[[Path], str | None]


def read_tree(body: bytes) -> Tree | None:
    """The answer as a tree; None for what is neither JSON nor XML. Shape: body is bounded by whoever read it."""
    text = body.removeprefix(_BOM).strip()
    return _xml(text) if text.startswith(b"<") else _json(text)


def _json(text: bytes) -> Tree | None:
    try:
        node = _decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(node, dict | list):
        return None
    return Tree(root=root_scalars(text), find=lambda path: _sound(_json_part(node, path)))


def _json_part(node: Any, path: Path) -> str | None:
    for step in path:
        if isinstance(step, str):
            node = node.get(step) if isinstance(node, dict) else None
        else:
            node = node[step] if isinstance(node, list) and step < len(node) else None
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node) if isinstance(node, str | int) else None


def _xml(text: bytes) -> Tree | None:
    try:
        root: Element = ElementTree.fromstring(text, forbid_dtd=True)
    except (ParseError, ValueError, LookupError):  # the last: an encoding that nobody knows
        return None
    leaves = {_name(child): _text(child) for child in root if not len(child)}
    return Tree(root=sound_ones(leaves), find=lambda path: _sound(_xml_part(root, path)))


def _xml_part(root: Element, path: Path) -> str | None:
    """By the names of elements under the root; of several alike the first, or the one that an index says."""
    found = [root]
    for step in path:
        if isinstance(step, str):
            found = [child for parent in found[:1] for child in parent if _name(child) == step]
        else:
            found = found[step : step + 1]
    return _text(found[0]) if found and not len(found[0]) else None


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _sound(text: str | None) -> str | None:
    return text if text is not None and is_sound("", text) else None
