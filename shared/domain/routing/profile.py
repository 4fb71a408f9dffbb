"""What is known of a caller: tags inferred, sent, stored and the platform's own, as one mapping.

Owns precedence and prefixes of a ping's tags. Must never parse a request.
"""

from collections.abc import Mapping
from functools import lru_cache

from shared.domain.phone import caller_tags
from shared.domain.plan import Company, Plan, Publisher
from shared.domain.tags import Tags, clock_tags

UNPREFIXED = frozenset({"caller_state", "caller_city", "caller_zip", "caller_country", "geo"})
RESERVED = frozenset(
    {
        "hour",
        "time",
        "day_of_week",
        "publisher_id",
        "source_id",
        "affiliate_id",
        "campaign_id",
        "buyer_id",
        "target_id",
    }
)
_INFERRED_ONLY = frozenset({"caller_area_code", "caller_time_zone"})
_GEO_FROM = frozenset({"caller_state", "caller_zip", "caller_country"})
_NAMES_KEPT = 8_192
_OURS = "system_"


def kept_tags(sent: Mapping[str, str], prefix: str) -> dict[str, str | tuple[str, ...]]:
    """The tags of a ping that a partner may set, under the names they are kept by.

    Source: rtb.md, request; account.md, tags every call and ping has.
    """
    kept: dict[str, str | tuple[str, ...]] = {}
    for name, value in sent.items():
        final = _kept_name(name, prefix)
        if final:
            kept[final] = _places(value) if final == "geo" == name else value
    return kept


@lru_cache(maxsize=_NAMES_KEPT)
def _kept_name(name: str, prefix: str) -> str:
    """The name by which a partner's tag is kept, "" when it is not his to set."""
    if name in UNPREFIXED:
        return name
    final = name if not prefix or name.startswith(prefix) else prefix + name
    is_ours = name in RESERVED or final in RESERVED or _is_ours(name) or _is_ours(final)
    return "" if is_ours else final


def kept_texts(sent: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The same as a call keeps them: several values with commas between."""
    return {
        name: value if isinstance(value, str) else ",".join(value)
        for name, value in kept_tags(sent, prefix).items()
    }


def own_tags(plan: Plan, publisher: Publisher | None) -> dict[str, str]:
    """The ids that stand on every ping of a publisher into a campaign: customer-set ones, and our own as system_*."""
    tags = {"campaign_id": plan.cid, "system_campaign_id": str(plan.campaign_id)}
    if publisher is not None:
        tags["publisher_id"] = publisher.afid
        tags["system_publisher_id"] = tags["system_affiliate_id"] = str(publisher.id)
    return tags


def profile(
    company: Company,
    caller: str,
    *,
    kept: Mapping[str, str | tuple[str, ...]],
    own: Mapping[str, str],
    now_ms: int,
) -> Tags:
    """All tags of one ping. A partner's caller_* and geo win over what the number says; ours win over all.

    Shape: kept are the partner's and the stored ones; caller is E.164 or "".
    """
    inferred = caller_tags(caller) if caller else {}
    tags = {**inferred, **kept, **clock_tags(now_ms, company.time_zone), **own}
    if not _INFERRED_ONLY.isdisjoint(kept):
        tags |= {name: inferred[name] for name in _INFERRED_ONLY if name in inferred}
    geo = tags.get("geo", ())
    if isinstance(geo, str):  # a stored tag
        tags["geo"] = _places(geo)
    elif "geo" not in kept and not _GEO_FROM.isdisjoint(kept):
        tags["geo"] = _geo_of(tags)
    return tags


def _geo_of(tags: Tags) -> tuple[str, ...]:
    """Where a caller is, when a partner has said something of it: `us`, `us-ca`, `us-90210`, `310`."""
    country = str(tags.get("caller_country", "us")).lower()
    parts = [str(tags[name]).lower() for name in ("caller_state", "caller_zip") if tags.get(name)]
    area_code = tags.get("caller_area_code")
    return (country, *(f"{country}-{part}" for part in parts), *((str(area_code),) if area_code else ()))


def _places(value: str) -> tuple[str, ...]:
    return tuple(place.strip().lower() for place in value.split(",") if place.strip())


def _is_ours(name: str) -> bool:
    return name[:7].lower() == _OURS
