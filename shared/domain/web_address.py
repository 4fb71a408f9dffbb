"""Addresses of the web, as texts that others gave us.

Owns what may be kept as one. Must never say whether one may be called: the guard of what leaves the platform does.
"""

from urllib.parse import urlsplit

_LONGEST = 2048


def is_web_address(text: str) -> bool:
    """Whether a text is an absolute http(s) address without credentials in it."""
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        address = urlsplit(text)
        return address.scheme in {"http", "https"} and bool(address.hostname) and "@" not in address.netloc
    except ValueError:
        return False
