"""One flat XML element, as the XML twins of our JSON answers need it.

Owns escaping. Must never read XML: what buyers answer is parsed elsewhere, and with care.
"""

import re
from collections.abc import Iterable

Value = str | int | float | bool | None

# What XML 1.0 cannot hold in any spelling, surrogates included.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"}
)


def write_element(root: str, fields: Iterable[tuple[str, Value]]) -> bytes:
    """A whole document: the root with one child for each field, in order; None is an empty child.

    Shape: names are ours and valid; values may hold anything, illegal characters become U+FFFD.
    """
    children = "".join([f"<{name}>{xml_text(value)}</{name}>" for name, value in fields])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{children}</{root}>'.encode()


def xml_text(value: Value) -> str:
    """A value as the text of an element: numbers and booleans as JSON writes them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _ILLEGAL.sub("\ufffd", str(value)).translate(_ESCAPES)
