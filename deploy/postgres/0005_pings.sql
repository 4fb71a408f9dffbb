-- The ping log: every evaluated ping with its whole trace. One partition a day, by the time inside the uuid.
-- Written by shared/stores/pings.py, drained from the event streams by the worker; cursors: shared/stores/events.py.

CREATE TABLE pings (
    company_id               bigint NOT NULL,
    created_at               timestamptz NOT NULL,      -- the time inside the uuid
    uuid                     uuid NOT NULL,
    call_uuid                uuid,
    key_id                   bigint NOT NULL,
    caller                   text,                      -- E.164; null = anonymous
    publisher_id             bigint,
    campaign_id              bigint NOT NULL,
    buyer_id                 bigint,
    group_id                 bigint,
    number                   text,                      -- the inbound number handed out
    revenue                  numeric(12,4),
    payout                   numeric(12,4),
    seconds                  integer,
    status                   text NOT NULL CHECK (status IN ('reserved', 'confirmed', 'claimed', 'expired', 'no-target', 'rejected')),
    reason                   text,
    duplicate_original_uuid  uuid,
    test                     boolean NOT NULL DEFAULT false,
    caller_state             text,
    caller_city              text,
    caller_zip               text,
    caller_country           text,
    expires_at               timestamptz,
    confirmed_at             timestamptz,
    claimed_at               timestamptz,
    ended_at                 timestamptz,
    time_to_resolve_s        numeric(10,3),
    holds                    text NOT NULL DEFAULT '',  -- cap subjects held until expires_at
    tags                     jsonb NOT NULL DEFAULT '{}',
    trace                    jsonb,                     -- each candidate with its reason, bid and ping time; null = left out
    replay                   jsonb NOT NULL DEFAULT '{}', -- now_ms, plan version, verdicts of the script, and the winner as rendered
    PRIMARY KEY (created_at, uuid)
) PARTITION BY RANGE (created_at);
CREATE INDEX pings_by_company ON pings (company_id, created_at DESC);
CREATE INDEX pings_by_caller ON pings (company_id, caller, created_at DESC);
CREATE INDEX pings_by_key ON pings (key_id, created_at DESC);
CREATE INDEX pings_live ON pings (expires_at) WHERE status IN ('reserved', 'confirmed');

-- How far each shard's event stream stands in Postgres; moved in the transaction that stores the rows.
CREATE TABLE stream_cursors (
    shard    smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    epoch    text NOT NULL DEFAULT '',                  -- run_id of the Redis that numbered last_id
    last_id  text NOT NULL DEFAULT '0-0',
    drained_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO stream_cursors (shard) SELECT generate_series(0, 63);
