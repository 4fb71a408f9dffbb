"""Tags that were written before their call, as a caller's hash holds them.

Owns the text `rev|expires_ms|json` of the caller's hash. Must never decide how long they are kept.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct


class StoredTags(Struct, frozen=True, kw_only=True):
    """The tags stored for a caller.

    Shape: seen is `rev:rev` of the company's and the publisher's, as reserve.lua compares it.
    """

    seen: str
    tags: Mapping[str, str]


NO_STORED_TAGS = StoredTags(seen="0:0", tags={})
_read = msgspec.json.Decoder(dict[str, str]).decode


def read_stored_tags(of_company: str, of_publisher: str) -> StoredTags:
    """Both texts, "" = none; the publisher's win."""
    tags: dict[str, str] = {}
    revs = []
    for text in (of_company, of_publisher):
        rev, _, rest = text.partition("|")
        revs.append(rev or "0")
        if rest:
            tags.update(_read(rest.partition("|")[2]))
    return StoredTags(seen=":".join(revs), tags=tags)
