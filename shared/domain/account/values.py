"""The values of an account file that mean something: numbers, addresses, rules, names.

Owns the sentence for each that cannot be read. Must never repeat a number, a token or an address, which may
hold one.
"""

import re
from urllib.parse import urlsplit

from shared.domain import lists
from shared.domain.phone import read_e164
from shared.domain.tags import read_rule, write_rule
from shared.domain.tokens import BASE58, Hidden, token_form

_sip = re.compile(r"sips?:[^\s@<>\"]{1,128}@[^\s@<>\"/]{1,253}").fullmatch
_placeholder = re.compile(r"\[[A-Za-z0-9_]{1,64}\]").fullmatch
_secret = re.compile(f"[{BASE58}]{{24}}").fullmatch
_currency = re.compile(r"[A-Z]{3}").fullmatch
_method = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LONGEST_URL = 2048

METHODS = _method


def number(text: str) -> str:
    """A phone number as E.164."""
    found = read_e164(text)
    if found is None:
        raise ValueError("is no phone number: write it as E.164, in quotes")
    return found


def destination(text: str) -> str:
    """Where a call may go: a number or a SIP address."""
    return text if _sip(text) else number(text)


def buyer_number(text: str) -> str:
    """The same, or a token such as `[number]` that a downstream ping fills."""
    if _sip(text) or _placeholder(text):
        return text
    found = read_e164(text)
    if found is None:
        raise ValueError("is an E.164 number in quotes, sip:user@host, or a token such as [number]")
    return found


def url(text: str) -> str:
    """An address of the web; tokens in brackets may stand behind the host."""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or len(text) > _LONGEST_URL or any(sign.isspace() or sign == "\0" for sign in text):
        raise ValueError(f"is no http or https URL of at most {_LONGEST_URL} characters")
    return text


def rule(text: str) -> str:
    """A tag filter rule, written the one way that rules are kept in."""
    return write_rule(read_rule(text))


def list_name(text: str) -> str:
    """What a caller list may be called."""
    if not lists.is_name(text):
        raise ValueError("is 1 to 64 letters, digits, _ or -")
    return text


def currency(text: str) -> str:
    """A currency's code."""
    if not _currency(text):
        raise ValueError("is a code of three capital letters, such as USD")
    return text


def token(text: str) -> Hidden:
    """A token that a key brings along, ours or another platform's."""
    if token_form(text) is None:
        raise ValueError(
            "is no token: 16 to 128 of letters, digits, . _ ~ - (and with pbk_ its own checksum)"
        )
    return Hidden(text)


def secret(text: str) -> Hidden:
    """A caller-list key's secret."""
    if not _secret(text):
        raise ValueError("is no secret: 24 base58 characters")
    return Hidden(text)
