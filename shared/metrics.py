"""Every metric name, on one page.

Owns names, help texts and the values that each label may have: never an id, a token or a number.
Must never be bypassed: no other file names a metric. Counting is a dict addition; shared/tallies.py folds it
into Prometheus each 100 ms.
"""

from shared.domain.outgoing import Failure
from shared.domain.reasons import Reason
from shared.tallies import OPEN, Level, RequestMeter, Tally, Timing

_PING_OUTCOMES = (
    *("reserved", "confirmed", "claimed", "repeat", "no-target", "rejected"),
    *("rate_limited", "refused", "unavailable"),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# requests
REQUESTS = Tally(
    "ringpost_requests",
    "Requests answered, by route template.",
    labels={"route": OPEN, "method": _METHODS, "status": OPEN},
)
REQUEST_SECONDS = Timing(
    "ringpost_request_seconds",
    "From the read request to the written answer.",
    labels={"route": OPEN, "method": _METHODS},
)
REQUESTS_IN_FLIGHT = Level("ringpost_requests_in_flight", "Requests in work.", folding="livesum")
REQUESTS_REFUSED_EARLY = Tally("ringpost_requests_refused_early", "503: the in-flight limit was reached.")
CONNECTIONS = Level("ringpost_connections", "Open connections of the public port.", folding="livesum")

# pings
PINGS = Tally(
    "ringpost_pings",
    "Pings answered, by outcome and published reason.",
    labels={"outcome": _PING_OUTCOMES, "reason": tuple(Reason)},
)
SHIELD_VERDICTS = Tally(
    "ringpost_shield_verdicts",
    "What the ping shield decided; shadow verdicts only count.",
    labels={
        "verdict": ("duplicate", "rate_limited", "claim_rate", "outbound_limit"),
        "shadow": ("true", "false"),
    },
)
CAP_REFUSALS = Tally(
    "ringpost_cap_refusals",
    "Candidates dropped because a cap was full.",
    labels={"subject": ("buyer", "group")},
)
TRACES_LEFT_OUT = Tally("ringpost_traces_left_out", "Pings whose trace was dropped: the stream is long.")

# buyers
BUYER_REQUESTS = Tally(
    "ringpost_buyer_requests",
    "Pings to buyers and posts to winners, by what came of them.",
    labels={"request": ("ping", "post"), "outcome": ("answered", "status", *Failure)},
)
BUYER_SECONDS = Timing(
    "ringpost_buyer_seconds",
    "From asking a buyer to its answer, or to giving up.",
    labels={"request": ("ping", "post")},
)
BUYER_BREAKERS_OPENED = Tally(
    "ringpost_buyer_breakers_opened", "Buyers left alone for a while because they failed too often."
)
BUYER_CONNECTIONS = Level(
    "ringpost_buyer_connections", "Connections to buyers' servers, those being made too.", folding="livesum"
)

# event stream
STREAM_LAG_SECONDS = Level(
    "ringpost_stream_lag_seconds", "Age of the oldest undrained event.", folding="livemax"
)
STREAM_LENGTH = Level("ringpost_stream_length", "Undrained events of the longest stream.", folding="livemax")
ROWS_DRAINED = Tally("ringpost_rows_drained", "Events written from the stream to Postgres.")
EVENTS_POISONED = Tally(
    "ringpost_events_poisoned", "Events that could not be read or stored, and were passed over."
)

# background work
_JOBS = (
    *(
        "deliver",
        "backlog",
        "drain",
        "expire",
        "hot_sync",
        "holds",
        "list_expiry",
        "list_upload",
        "list_widening",
    ),
    *("mirror", "rebuild", "partitions", "retention", "skew", "tag_expiry"),
)
JOB_RUNS = Tally(
    "ringpost_job_runs",
    "Rounds of a background job.",
    labels={"job": _JOBS, "outcome": ("done", "away", "fault")},
)
PINGS_EXPIRED = Tally("ringpost_pings_expired", "Reservations that ran out unclaimed.")
HOLDS_SWEPT = Tally("ringpost_holds_swept", "Holds given back by the sweep because their time was over.")
SHARDS_REBUILT = Tally("ringpost_shards_rebuilt", "Shards whose hot state was written anew from Postgres.")
SHARDS_COLD = Level(
    "ringpost_shards_cold", "Shards that serve nothing until they are rebuilt.", folding="livemax"
)
HOT_SYNC_APPLIED = Tally(
    "ringpost_hot_sync_applied", "Hot copies brought up to date after a request could not."
)
MIRRORS_MENDED = Tally(
    "ringpost_mirrors_mended", "Mirrors of cap places that were behind Postgres and were assigned anew."
)
PARTITIONS_DROPPED = Tally(
    "ringpost_partitions_dropped", "Days and months dropped because they were kept long enough."
)

# calls
CALLS_ARRIVED = Tally(
    "ringpost_calls_arrived",
    "Calls that a switch told of, by what it was told.",
    labels={"outcome": ("taken", "unknown_number", "fallback")},
)
CALLS_ROUTED = Tally(
    "ringpost_calls_routed",
    "Routing decisions: somebody was dialled, or nobody was left.",
    labels={"outcome": ("dialled", "no_target")},
)
SWITCH_REPORTS = Tally(
    "ringpost_switch_reports",
    "Events of switches: kept, known already, or owed until Postgres is back.",
    labels={"outcome": ("kept", "known", "owed")},
)
SWITCH_COMMANDS = Tally(
    "ringpost_switch_commands",
    "Commands sent to switches.",
    labels={"outcome": ("taken", "failed")},
)
CALLS_OVERDUE = Tally("ringpost_calls_overdue", "Calls of which something had to be assumed.")

# control
CALLS_REJECTED = Tally(
    "ringpost_calls_rejected",
    "Live calls that buyers handed back, by result and published reason.",
    labels={"outcome": ("rejected", "refused"), "reason": ("", *Reason)},
)
CALL_TRANSFERS = Tally(
    "ringpost_call_transfers",
    "Live calls that buyers handed on, by result and published reason.",
    labels={"outcome": ("done", "refused", "failed"), "reason": ("", *Reason)},
)

LIST_UPLOAD_ROWS = Tally(
    "ringpost_list_upload_rows",
    "Rows of uploaded caller lists, by whether they are numbers.",
    labels={"outcome": ("applied", "rejected")},
)

# data
DATA_WRITES = Tally(
    "ringpost_data_writes",
    "Data writes, by where their tags went.",
    labels={"outcome": ("live", "completed", "stored", "refused")},
)
DATA_READS = Tally(
    "ringpost_data_reads",
    "Data readings, by whether there was a call.",
    labels={"outcome": ("found", "none", "refused")},
)
CONVERSIONS = Tally(
    "ringpost_conversions",
    "Conversions posted, by result and published reason.",
    labels={"outcome": ("converted", "repeat", "refused"), "reason": ("", *Reason)},
)

# webhooks
WEBHOOK_DELIVERIES = Tally(
    "ringpost_webhook_deliveries",
    "Attempts to deliver a webhook, by what came of them.",
    labels={"outcome": ("delivered", "status", "unsendable", "fault", *Failure)},
)
WEBHOOKS_DEAD = Tally("ringpost_webhooks_dead", "Webhooks given up after their last attempt.")
OUTBOX_WAITING = Level("ringpost_outbox_waiting", "Webhooks still to be delivered.", folding="livemax")
OUTBOX_DEAD = Level(
    "ringpost_outbox_dead", "Webhooks that were given up and may be replayed.", folding="livemax"
)
OUTBOX_LAG_SECONDS = Level(
    "ringpost_outbox_lag_seconds",
    "How long the oldest due webhook has waited for its attempt.",
    folding="livemax",
)

# memory
CACHE_LOOKUPS = Tally(
    "ringpost_cache_lookups",
    "Keys and plans looked up in memory.",
    labels={"cache": ("key", "plan"), "result": ("hit", "miss")},
)

# redis
REDIS_ROUND_TRIPS = Tally("ringpost_redis_round_trips", "Batches sent to Redis.")
REDIS_CALLS = Tally("ringpost_redis_calls", "Commands and scripts sent to Redis.")
REDIS_LATE = Tally("ringpost_redis_late", "Calls given up at their deadline.")
REDIS_QUEUE_FULL = Tally("ringpost_redis_queue_full", "Calls refused because too many were waiting.")
REDIS_RECONNECTS = Tally("ringpost_redis_reconnects", "Connections to Redis made again.")
CLOCK_SKEW_SECONDS = Level(
    "ringpost_clock_skew_seconds", "Clock of Redis minus clock of Postgres.", folding="livemostrecent"
)

# postgres
POSTGRES_QUERIES = Tally("ringpost_postgres_queries", "Queries sent to Postgres.")
POSTGRES_FAILURES = Tally("ringpost_postgres_failures", "Queries that Postgres did not answer.")
POSTGRES_POOL = Level(
    "ringpost_postgres_pool_connections",
    "Connections of the pool.",
    labels={"state": ("idle", "used")},
    folding="livesum",
)

# the process
EVENT_LOOP_LAG_SECONDS = Timing("ringpost_event_loop_lag_seconds", "How late the event loop wakes a sleeper.")
LOG_LINES_DROPPED = Tally("ringpost_log_lines_dropped", "Request lines dropped: their reader is too slow.")
BUILD_INFO = Level(
    "ringpost_build_info",
    "1, labelled with what runs.",
    labels={"version": OPEN, "python": OPEN},
    folding="livemax",
)


def request_meter(*, route: str, method: str) -> RequestMeter:
    """The counters of one route template and method."""
    return RequestMeter(REQUESTS, REQUEST_SECONDS, route=route, method=method)
