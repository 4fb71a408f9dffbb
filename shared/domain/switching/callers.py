"""Who calls, as any switch says it.

Owns the forms of a withheld number, and which ids of calls can be kept.
"""

from shared.domain.phone import read_e164

# What networks send instead of a withheld number: words, and the same words as typed on a phone's keys.
_WORDS = frozenset({"", "anonymous", "blocked", "private", "restricted", "unavailable", "unknown"})
_KEYS = frozenset({"+266696687", "+2562533", "+7378742833", "+86282452253", "+8656696"})
_LONGEST_ID = 128


def read_caller(text: str) -> str | None:
    """The caller in E.164, "" when the number is withheld, None when it is neither."""
    bare = text.strip()
    return "" if bare.lower() in _WORDS or bare in _KEYS else read_e164(text)


def is_call_id(text: str) -> bool:
    """Whether a switch's own id of a call is one that can be kept."""
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() and " " not in text
