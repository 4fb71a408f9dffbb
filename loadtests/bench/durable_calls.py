"""Calls that were made before the durable cases begin: over and waiting for their conversion, or live.

Owns their rows and the uuids by which the load finds them again. Must never be asked for more calls than there are.
"""

import asyncpg
from msgspec import Struct

LIVE_CALLS = 5_000
_FIRST_CALLER = 2_122_200_000
_FIRST_LIVE = 6_462_200_000
_ENDED_AFTER_S = 126
# A call a millisecond. Its uuid: 48 bits of its start, the version, 12 of the shard, the variant, its number.
INSERT_CALLS = """
INSERT INTO calls (company_id, started_at, uuid, status, outcome, provider, provider_call_id, call_key_hmac, caller,
    dialed_number, campaign_id, publisher_id, buyer_id, forwarded_at, answered_at, ended_at, closed_at, dialed_s,
    connected_duration_s, total_duration_s, promised_payout, bid_revenue, hung_up_by)
SELECT company_id, at, uuid, $5, CASE WHEN over THEN 'connected' END, 'generic/1', uuid::text, sha256(uuid::text::bytea),
       '+1' || ($6::bigint + n)::text, number, campaign_id, publisher_id, buyer_id, at, at + interval '6 seconds',
       CASE WHEN over THEN ended END, CASE WHEN over THEN ended END, CASE WHEN over THEN 126 END, CASE WHEN over THEN 120 END,
       CASE WHEN over THEN 126 END, 12.5, 25, CASE WHEN over THEN 'caller' END
FROM (
    SELECT n, c.company_id, c.id AS campaign_id, p.id AS publisher_id, b.id AS buyer_id, m.number, at,
           at + make_interval(secs => $7::integer) AS ended, $5::text = 'finished' AS over,
           (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(co.shard::integer), 3, '0') || '8' ||
            lpad(to_hex(n), 15, '0'))::uuid AS uuid
    FROM generate_series($3::bigint, $4::bigint - 1) AS n, LATERAL (SELECT $2::bigint + n AS ms) AS numbered,
         LATERAL (SELECT timestamptz 'epoch' + ms * interval '1 millisecond' AS at) AS begun,
         campaigns c JOIN companies co ON co.id = c.company_id JOIN numbers m ON m.campaign_id = c.id
         JOIN publishers p ON p.company_id = co.id JOIN buyers b ON b.company_id = co.id
    WHERE c.cid = $1
) AS made
"""
INSERT_TAGS = """
INSERT INTO call_tags (company_id, call_started_at, call_uuid, name, value)
SELECT company_id, started_at, uuid, t.name, t.value
FROM calls, (VALUES ('plan', 'gold'), ('click_id', 'abc123'), ('source', 'landing')) AS t (name, value)
"""
FIND_SHARD = "SELECT shard FROM companies"


class Calls(Struct, frozen=True, kw_only=True):
    """Calls by number: `sold` are the first, `told` as many after them, the live ones behind. Units: first_ms of call 0."""

    shard: int
    first_ms: int
    each: int

    def uuid_of(self, number: int) -> str:
        """The uuid that the statement gave this call."""
        text = f"{self.first_ms + number:012x}7{self.shard:03x}8{number:015x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def sold(self) -> range:
        """Numbers of calls of the campaign without webhooks."""
        return range(self.each)

    def told(self) -> range:
        """Numbers of calls of the other one."""
        return range(self.each, 2 * self.each)

    def live_caller(self, number: int) -> int:
        """The caller of a live call, in turn."""
        return _FIRST_LIVE + 2 * self.each + number % LIVE_CALLS


async def make_calls(dsn: str, *, each: int, now_ms: int) -> Calls:
    """Insert the calls of both campaigns and the live ones, all of the last minutes."""
    connection = await asyncpg.connect(dsn)
    try:
        calls = Calls(
            shard=await connection.fetchval(FIND_SHARD),
            first_ms=now_ms - 2 * each - LIVE_CALLS - (_ENDED_AFTER_S + 60) * 1000,
            each=each,
        )
        plan = (
            ("sold", 0, each, "finished", _FIRST_CALLER),
            ("told", each, 2 * each, "finished", _FIRST_CALLER),
            ("sold", 2 * each, 2 * each + LIVE_CALLS, "live", _FIRST_LIVE),
        )
        for cid, first, until, status, caller in plan:
            args = (cid, calls.first_ms, first, until, status, caller, _ENDED_AFTER_S)
            await connection.execute(INSERT_CALLS, *args)
        await connection.execute(INSERT_TAGS)
        await connection.execute("VACUUM ANALYZE calls, call_tags")
    finally:
        await connection.close()
    return calls
