-- Calls, their legs, tags, conversions and money. Calls by month, by the time inside the uuid; all that hangs on a call is laid
-- out by its call's start, so that one call's rows stand together on any machine.
-- calls, legs: written by shared/stores/calls.py. call_tags, stored_tags: shared/stores/tags.py.
-- conversions, ledger: shared/stores/conversions.py. The idempotency tables: by the service that takes the request.

CREATE TABLE calls (
    company_id              bigint NOT NULL,
    started_at              timestamptz NOT NULL,       -- the time inside the uuid
    uuid                    uuid NOT NULL,
    status                  text NOT NULL CHECK (status IN ('ringing', 'live', 'finished')),
    outcome                 text CHECK (outcome IN ('connected', 'no-target', 'abandoned', 'failed')),
    provider                text NOT NULL,
    provider_call_id        text NOT NULL,
    call_key_hmac           bytea NOT NULL,             -- the per-call key
    caller                  text,
    dialed_number           text,
    number_id               bigint,
    campaign_id             bigint,
    publisher_id            bigint,
    buyer_id                bigint,                     -- the buyer that answered
    group_id                bigint,
    reservation_uuid        uuid,
    via                     text,
    rescued                 boolean NOT NULL DEFAULT false,
    repeat                  boolean NOT NULL DEFAULT false,
    duplicate               boolean NOT NULL DEFAULT false,
    forwarded_at            timestamptz,
    answered_at             timestamptz,
    ended_at                timestamptz,
    last_event_at           timestamptz NOT NULL DEFAULT now(),
    hung_up_by              text,
    dialed_call_duration_s  integer,
    connected_duration_s    integer,
    total_duration_s        integer,
    ivr_s                   integer NOT NULL DEFAULT 0,
    hold_s                  integer NOT NULL DEFAULT 0,
    recording_url           text,
    promised_payout         numeric(12,4),
    bid_revenue             numeric(12,4),
    payable                 boolean NOT NULL DEFAULT false,
    receivable              boolean NOT NULL DEFAULT false,
    revenue                 numeric(12,4) NOT NULL DEFAULT 0,
    payout                  numeric(12,4) NOT NULL DEFAULT 0,
    flow                    jsonb NOT NULL DEFAULT '[]', -- each leg and decision, in order
    updated_at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (started_at, uuid)
) PARTITION BY RANGE (started_at);
CREATE INDEX calls_by_company ON calls (company_id, started_at DESC);
CREATE INDEX calls_by_caller ON calls (company_id, caller, started_at DESC);
CREATE INDEX calls_by_buyer ON calls (buyer_id, started_at DESC);
CREATE INDEX calls_by_key ON calls (call_key_hmac);
CREATE INDEX calls_live ON calls (last_event_at) WHERE status <> 'finished';

CREATE TABLE legs (
    company_id       bigint NOT NULL,
    call_started_at  timestamptz NOT NULL,
    call_uuid        uuid NOT NULL,
    uuid             uuid NOT NULL,
    position         integer NOT NULL,
    buyer_id         bigint,
    group_id         bigint,
    number           text NOT NULL,
    status           text NOT NULL CHECK (status IN ('dialling', 'answered', 'ended', 'busy', 'no_answer', 'failed', 'canceled',
                         'rejected', 'transferred')),
    reason           text,
    subjects         text NOT NULL DEFAULT '',          -- cap places taken
    hour_at          bigint NOT NULL DEFAULT 0,         -- the windows they were taken in
    day_at           bigint NOT NULL DEFAULT 0,
    month_at         bigint NOT NULL DEFAULT 0,
    group_hour_at    bigint NOT NULL DEFAULT 0,
    group_day_at     bigint NOT NULL DEFAULT 0,
    group_month_at   bigint NOT NULL DEFAULT 0,
    dialled_at       timestamptz NOT NULL DEFAULT now(),
    answered_at      timestamptz,
    ended_at         timestamptz,
    released_at      timestamptz,                       -- places given back, once
    PRIMARY KEY (company_id, call_started_at, call_uuid, uuid)
) PARTITION BY RANGE (call_started_at);

CREATE TABLE call_tags (
    company_id       bigint NOT NULL,
    call_started_at  timestamptz NOT NULL,
    call_uuid        uuid NOT NULL,
    name             text NOT NULL,
    value            text NOT NULL,
    key_id           bigint,                            -- which key wrote it; null = the platform
    written_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, call_started_at, call_uuid, name)
) PARTITION BY RANGE (call_started_at);

CREATE TABLE conversions (
    company_id       bigint NOT NULL,
    call_started_at  timestamptz NOT NULL,
    call_uuid        uuid NOT NULL,
    revision         integer NOT NULL,
    side             text NOT NULL CHECK (side IN ('payable', 'receivable')),
    criteria_id      bigint,
    key_id           bigint,
    posted_value     numeric(12,4),
    revenue          numeric(12,4),
    payout           numeric(12,4),
    converted_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, call_started_at, call_uuid, revision, side)
) PARTITION BY RANGE (call_started_at);

-- Each change of a call's money; a call's figures equal its ledger's sum.
CREATE TABLE ledger (
    company_id       bigint NOT NULL,
    call_started_at  timestamptz NOT NULL,
    call_uuid        uuid NOT NULL,
    entry            integer NOT NULL,
    revenue_change   numeric(12,4) NOT NULL DEFAULT 0,
    payout_change    numeric(12,4) NOT NULL DEFAULT 0,
    cause            text NOT NULL,
    key_id           bigint,
    entered_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, call_started_at, call_uuid, entry)
) PARTITION BY RANGE (call_started_at);

-- Tags written before their call: put on the next one from that number, and seen by the next ping.
CREATE TABLE stored_tags (
    company_id    bigint NOT NULL REFERENCES companies (id),
    caller        text NOT NULL,
    publisher_id  bigint NOT NULL DEFAULT 0,            -- 0 = a company key's
    rev           bigint NOT NULL DEFAULT 1,
    tags          jsonb NOT NULL,
    keep          boolean NOT NULL DEFAULT false,       -- reuse_tags_on_repeat_calls
    key_id        bigint NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (company_id, caller, publisher_id)
);
CREATE INDEX stored_tags_expiring ON stored_tags (expires_at);

-- Idempotency of what carries no stable time: kept 48 h.
CREATE TABLE call_keys (
    provider          text NOT NULL,
    provider_call_id  text NOT NULL,
    company_id        bigint NOT NULL,
    call_uuid         uuid NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, provider_call_id)
) PARTITION BY HASH (provider_call_id);

CREATE TABLE switch_events (
    provider          text NOT NULL,
    provider_call_id  text NOT NULL,
    leg               text NOT NULL,
    event             text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, provider_call_id, leg, event)
) PARTITION BY HASH (provider_call_id);

CREATE TABLE idempotency_keys (
    key_id       bigint NOT NULL,
    value        text NOT NULL,
    fingerprint  bytea NOT NULL,
    status       integer NOT NULL,
    answer       text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, value)
) PARTITION BY HASH (value);

DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format('CREATE TABLE call_keys_%s PARTITION OF call_keys FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
        EXECUTE format('CREATE TABLE switch_events_%s PARTITION OF switch_events FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
        EXECUTE format('CREATE TABLE idempotency_keys_%s PARTITION OF idempotency_keys FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part);
    END LOOP;
END $$;

CREATE TABLE switch_credentials (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id     bigint NOT NULL REFERENCES companies (id),
    provider       text NOT NULL,
    account_id     text NOT NULL DEFAULT '',
    secret_sealed  bytea NOT NULL,
    command_url    text NOT NULL DEFAULT '',
    UNIQUE (company_id, provider, account_id)
);
