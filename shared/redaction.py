"""What may be said in a log.

Owns the masking of numbers, tokens and secrets, and the telling of an exception without its values. Must
never let an exception's text through: it may hold what a partner sent.
"""

import re
from collections.abc import Mapping
from traceback import walk_tb
from types import TracebackType
from typing import Any

from shared.domain.phone import mask

HIDDEN = "***"
SECRET_NAMES = frozenset(
    (
        *("key", "token", "secret", "api_key", "apikey", "x_api_key", "x-api-key", "call_key"),
        *("authorization", "bearer", "password", "passwd", "pepper", "dsn", "cookie", "signature"),
    )
)
NUMBER_NAMES = frozenset(
    ("caller", "caller_number", "number", "inbound_number", "dialed_number", "from", "to", "e164", "phone")
)

_TOKEN = re.compile(r"pbk_[A-Za-z0-9_]+")
_NAMED = re.compile(
    r"(?i)\b((?:api[_-]?key|call_key|key|token|secret|password|authorization|pepper|signature)"
    r"[\"']?\s*[=:]\s*[\"']?(?:bearer |basic )?)[^\s\"'&,;<>]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9._~+/=-]{8,}")
_USERINFO = re.compile(r"://[^/\s@]+@")
_PATH_KEY = re.compile(r"(/(?:postbacks|data_writing)/)[^/\s?\"']+")
_DIGITS = re.compile(r"(?<![\w.-])(?:%2[Bb]|\+)?\d{10,15}(?![\w-])")
_WRITTEN = re.compile(r"(?<![\w.-])(?:\+?1[-. ]?)?\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?!\w)")
_NOT_DIGIT = re.compile(r"\D")
_MOST_FRAMES = 12
_MOST_DEPTH = 4


def mask_number(text: str) -> str:
    """A number that can be recognised but not dialled: `+1******1212`."""
    digits = _NOT_DIGIT.sub("", text)
    return mask(f"+1{digits}" if len(digits) == 10 else f"+{digits}") if digits else text


def clean_text(text: str) -> str:
    """The text without tokens, secrets and full numbers. Cost: seven searches, so not for hot lines."""
    text = _TOKEN.sub("pbk_" + HIDDEN, text)
    text = _NAMED.sub(rf"\g<1>{HIDDEN}", text)
    text = _BEARER.sub(rf"\g<1> {HIDDEN}", text)
    text = _USERINFO.sub(f"://{HIDDEN}@", text)
    text = _PATH_KEY.sub(rf"\g<1>{HIDDEN}", text)
    text = _WRITTEN.sub(lambda found: mask_number(found[0]), text)
    return _DIGITS.sub(lambda found: mask_number(found[0].replace("%2B", "+").replace("%2b", "+")), text)


def clean(name: str, value: Any, *, depth: int = 0) -> Any:
    """One named value as a log may show it: secrets dropped by name, numbers masked, texts searched."""
    low = name.lower()
    if low in SECRET_NAMES:
        return HIDDEN
    if isinstance(value, int | float) and not isinstance(value, bool) and low in NUMBER_NAMES:
        return mask_number(str(value))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        if depth >= _MOST_DEPTH:
            return HIDDEN
        return {clean_text(str(key)): clean(str(key), inner, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(name, inner, depth=depth + 1) for inner in value] if depth < _MOST_DEPTH else HIDDEN
    if isinstance(value, BaseException):
        return type(value).__name__
    text = value if isinstance(value, str) else repr(value)
    return mask_number(text) if low in NUMBER_NAMES else clean_text(text)


def exception_shape(error: BaseException) -> dict[str, Any]:
    """An exception as its type and its frames, causes too; never its text, arguments or local values.

    Shape: error is `ValueError <- KeyError`; frames are `file:line function`, the innermost last.
    """
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < _MOST_DEPTH:
        names.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return {"error": " <- ".join(names), "frames": _frames(error.__traceback__)}


def _frames(trace: TracebackType | None) -> list[str]:
    frames = []
    for frame, line in walk_tb(trace):
        code = frame.f_code
        place = "/".join(code.co_filename.replace("\\", "/").split("/")[-3:])
        frames.append(f"{place}:{line} {code.co_name}")
    return frames[-_MOST_FRAMES:]
