"""Phone numbers: how they are read, what they say about the caller, and how they are hidden.

Owns the one form in which numbers are kept (E.164). Must never ask anybody whether a number is in use: the
possible is enough, as fictional test numbers must pass.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult
from phonenumbers.timezone import time_zones_for_number

from shared.domain.nanp import AREA_CODES

CallerTags = dict[str, str | tuple[str, ...]]

# area code and exchange: first digit 2 to 9, and not a service code (N11)
_nanp = re.compile(r"(?:[+ ]?1)?([2-9](?!11)[0-9]{2}[2-9](?!11)[0-9]{6})").fullmatch
_nanp_e164 = re.compile(r"\+1([2-9][0-9]{9})").fullmatch
_written = re.compile(r"\+?[0-9() ./-]+").fullmatch
_without_punctuation = str.maketrans("", "", "() ./-")
_LONGEST_WRITTEN = 40
_NO_ZONE = "Etc/Unknown"
_NO_REGION = "ZZ"


def read_e164(text: str) -> str | None:
    """Read a number as people and partners write it, North American unless it starts with `+`.

    Shape: a space before a digit is a `+` that a query lost.
    Errors: None when it cannot be a number; never raises.
    Cost: one regular expression for the North American forms.
    """
    plain = _nanp(text)
    if plain is not None:
        return "+1" + plain[1]
    return _read_rarer(text)


def _read_rarer(text: str) -> str | None:
    if len(text) > _LONGEST_WRITTEN:
        return None
    lost_plus = len(text) > 1 and text[0] == " " and "0" <= text[1] <= "9"
    written = "+" + text.strip(" ") if lost_plus else text.strip(" ")
    if _written(written) is None:
        return None
    bare = written.translate(_without_punctuation)
    if not bare.startswith("+") or bare.startswith("+1"):
        plain = _nanp(bare)
        return None if plain is None else "+1" + plain[1]
    return _read_foreign(bare)


@lru_cache(maxsize=8192)
def _read_foreign(bare: str) -> str | None:
    try:
        number = phonenumbers.parse(bare)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def nanp_of(e164: str) -> str:
    """The ten digits of a North American number, "" of any other."""
    plain = _nanp_e164(e164)
    return plain[1] if plain else ""


def caller_tags(e164: str) -> CallerTags:
    """What a number says about its caller; what it does not say is left out.

    Shape: caller_country, caller_state, caller_area_code, caller_time_zone; geo in lower-case: us, us-ny,
    212. One mapping is shared by all callers alike: copy before changing.
    Cost: one look-up for North American numbers.
    """
    if e164.startswith("+1"):
        return _NANP_TAGS.get(e164[2:5], {})
    return _foreign_tags(e164)


def _nanp_tags(code: str) -> CallerTags:
    place = AREA_CODES.get(code)
    if place is None:
        return {"caller_area_code": code, "geo": (code,)}
    country, state = place.country, place.state
    known = {
        "caller_country": country,
        "caller_state": state,
        "caller_area_code": code,
        "caller_time_zone": place.time_zone,
    }
    geo = (country.lower(), f"{country}-{state}".lower() if state else "", code)
    tags: CallerTags = {name: value for name, value in known.items() if value}
    tags["geo"] = tuple(value for value in geo if value)
    return tags


_NANP_TAGS = {str(code): _nanp_tags(str(code)) for code in range(200, 1000)}


@lru_cache(maxsize=8192)
def _foreign_tags(e164: str) -> CallerTags:
    try:
        number = phonenumbers.parse(e164)
    except NumberParseException:
        return {}
    tags: CallerTags = {}
    region = phonenumbers.region_code_for_number(number)
    if region is None:  # possible, not in use: then the main country of its calling code
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    if region.isalpha() and region != _NO_REGION:  # numbers of no country are "001"
        tags["caller_country"] = region
        tags["geo"] = (region.lower(),)
    zones = time_zones_for_number(number)
    if len(zones) == 1 and zones[0] != _NO_ZONE:
        tags["caller_time_zone"] = zones[0]
    return tags


def mask(e164: str) -> str:
    """A number as logs may show it: `+1******1212`. What is too short to hide most of is hidden whole."""
    if len(e164) < 9:
        return "*" * len(e164)
    return e164[:2] + "*" * (len(e164) - 6) + e164[-4:]
