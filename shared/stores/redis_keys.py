"""Every Redis key pattern, on one page.

Owns the names of all hot state. All keys of a company carry its shard's tag, so each script stays in one slot.
Must never be bypassed: no other file spells a key. What ends with a name makes, with the empty name, the beginning of all.

`{sNN}:head`  hash, never falls away
    epoch = run_id of the Redis it was built for; v:<company> = config version; g:<generation> = list id;
    s:<company> = the last turn of whoever wrote its hot copy (hot_turn.lua).
`{sNN}:c:<company>:<e164>`  hash, stays as long as its newest field: one caller
    k<key> = its live reservation, the same text as below; m<campaign> = the key whose reservation it is,
    or the text itself once that key has another, elsewhere;
    n<number> = `uuid|expires_ms`; a<key> or am<campaign> = `uuid|until_ms|reason`: the ping whose buyers are being asked,
    reason = why nobody took it, "" until then; t<publisher> = `rev|expires_ms|json` (stored tags; 0 = any publisher's;
    expires_ms 0 = used up).
`{sNN}:c:t<key>:<e164>`  the same for a test key, whose shield and leases (e164 "") are its own
`{sNN}:a:<campaign>`  hash, stays as long as its newest field: numbers leased to anonymous callers
    n<number> = `uuid|expires_ms|key`, expires_ms being the reservation's + 30 s.
`{sNN}:r:<uuid>`  string, ttl + 60 s: one reservation
    `status|expires_ms|company|key|publisher|campaign|number|subjects|caller|uuid`, a newline, the winner as JSON.
`{sNN}:fills`  hash, never falls away
    <subject> = mirror of its cap_fills row; h:<subject> = live holds.
`{sNN}:due`  sorted set: holds by expires_ms
    `uuid|subject,subject`; whoever removes the member gives the hold back.
`{sNN}:events`  stream, trimmed by the drain: the ping log before Postgres
`{sNN}:l:<company>:<buckets>:<bucket>`  hash: inverted caller lists
    <digits // buckets> = generations the caller stands in, `g,g`.
`{sNN}:k:<key>`  hash, 2 s: a key's shield state
    sec = epoch second; n = pings in it.
`{sNN}:q:<key>`  hash, an hour: how a key's reservations have ended (finishes.lua)
    c<minute> claimed, x<minute> expired in it; at, c, x = the sums of the 60 minutes before `at`.
`{sNN}:o:<key>`  list, the key's window: when buyers were asked for it, oldest first
"""

SHARDS = 64
TAGS: tuple[str, ...] = tuple(f"{{s{shard:02d}}}" for shard in range(SHARDS))
_HEADS = tuple(f"{tag}:head" for tag in TAGS)
_FILLS = tuple(f"{tag}:fills" for tag in TAGS)
_DUES = tuple(f"{tag}:due" for tag in TAGS)
_EVENTS = tuple(f"{tag}:events" for tag in TAGS)


def head(shard: int) -> str:
    """The shard's epoch, config versions and live list generations."""
    return _HEADS[shard]


def fills(shard: int) -> str:
    """Cap mirror and hold counts of every subject on the shard."""
    return _FILLS[shard]


def due(shard: int) -> str:
    """Holds by the moment at which they fall away."""
    return _DUES[shard]


def events(shard: int) -> str:
    """The shard's stream of ping events."""
    return _EVENTS[shard]


def caller(shard: int, company_id: int, *, e164: str) -> str:
    """One caller's live reservations and stored tags."""
    return f"{TAGS[shard]}:c:{company_id}:{e164}"


def test_caller(shard: int, key_id: int, *, e164: str) -> str:
    """The same for a test key, whose shield and leases (e164 "") are its own."""
    return f"{TAGS[shard]}:c:t{key_id}:{e164}"


def leases(shard: int, campaign_id: int) -> str:
    """Pool numbers leased to callers who sent no number."""
    return f"{TAGS[shard]}:a:{campaign_id}"


def holder(shard: int, company_id: int, *, test_key_id: int, campaign_id: int, e164: str) -> str:
    """The hash that notes a caller's reservations. Shape: test_key_id 0 = no test; e164 "" = anonymous: the leases."""
    if test_key_id:
        return test_caller(shard, test_key_id, e164=e164)
    return caller(shard, company_id, e164=e164) if e164 else leases(shard, campaign_id)


def reservation(shard: int, uuid: str) -> str:
    """One reservation."""
    return f"{TAGS[shard]}:r:{uuid}"


def bucket(shard: int, company_id: int, *, buckets: int, number: int) -> str:
    """One bucket of the company's inverted caller lists."""
    return f"{TAGS[shard]}:l:{company_id}:{buckets}:{number}"


def all_buckets(shard: int, company_id: int, *, buckets: int) -> str:
    """What the keys of a company's buckets begin with, as long as it has so many."""
    return f"{TAGS[shard]}:l:{company_id}:{buckets}:"


def key_state(shard: int, key_id: int) -> str:
    """What the ping shield counts for one key."""
    return f"{TAGS[shard]}:k:{key_id}"


def finishes(shard: int, key_id: int) -> str:
    """How a key's reservations have ended of late."""
    return f"{TAGS[shard]}:q:{key_id}"


def grants(shard: int, key_id: int) -> str:
    """When buyers were asked for a key."""
    return f"{TAGS[shard]}:o:{key_id}"
