-- The entities of an account: who pays, who sends callers, and how campaigns bring them together.
-- Written by shared/stores/account.py (config_version, config_changes: shared/stores/config.py; hot_sync: shared/stores/hot_sync.py).
-- Ids are identities over all companies: a subject such as b12 or g3 names one buyer or group anywhere.

CREATE TABLE companies (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    time_zone       text NOT NULL DEFAULT 'America/New_York',
    currency        text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    api_key_hmac    bytea UNIQUE,                       -- HMAC-SHA256(pepper, api_key)
    api_key_sealed  bytea,                              -- AES-256-GCM under the key-encryption key
    features        jsonb NOT NULL DEFAULT '{}',        -- real_time_bidding, live_call_control, reuse_tags; absent = true
    shard           smallint NOT NULL CHECK (shard BETWEEN 0 AND 63),
    list_buckets    integer NOT NULL DEFAULT 64 CHECK (list_buckets > 0), -- inverted caller lists: buckets of callers
    config_version  bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX companies_by_shard ON companies (shard);

-- What a process must load anew when a company's version has grown.
CREATE TABLE config_changes (
    company_id  bigint NOT NULL REFERENCES companies (id),
    version     bigint NOT NULL,
    scope       text NOT NULL CHECK (scope IN ('company', 'campaign', 'key')),
    entity_id   bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, version, scope, entity_id)
);

-- Hot copies that are owed to Redis: written in the transaction of their cause, deleted when today's truth stands there.
CREATE TABLE hot_sync (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  bigint NOT NULL REFERENCES companies (id),
    kind        text NOT NULL CHECK (kind IN ('version', 'list', 'list_number', 'fills', 'tags')),
    subject     text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hot_sync_by_company ON hot_sync (company_id, id);

CREATE TABLE publishers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id    bigint NOT NULL REFERENCES companies (id),
    afid          text NOT NULL CHECK (length(afid) BETWEEN 1 AND 128),
    first_name    text NOT NULL DEFAULT '',
    last_name     text NOT NULL DEFAULT '',
    company_name  text NOT NULL DEFAULT '',
    paused        boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, afid)
);

CREATE TABLE buyers (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id       bigint NOT NULL REFERENCES companies (id),
    tid              text NOT NULL CHECK (length(tid) BETWEEN 1 AND 128),
    name             text NOT NULL DEFAULT '',
    dba              text NOT NULL DEFAULT '',
    number           text NOT NULL,                     -- E.164, sip:user@host, or a token such as [number]
    priority         integer NOT NULL DEFAULT 1,        -- lower first
    weight           integer NOT NULL DEFAULT 1 CHECK (weight >= 1),
    timeout_seconds  integer NOT NULL DEFAULT 30 CHECK (timeout_seconds BETWEEN 1 AND 600),
    send_digits      text NOT NULL DEFAULT '',
    paused           boolean NOT NULL DEFAULT false,
    time_zone        text,                              -- null = the company's
    business_hours   jsonb NOT NULL DEFAULT '[]',       -- [{day_of_week, work_day, time_open, time_close, inverted}]
    cap_concurrency  integer CHECK (cap_concurrency >= 0),
    cap_hard         integer CHECK (cap_hard >= 0),
    cap_hourly       integer CHECK (cap_hourly >= 0),
    cap_daily        integer CHECK (cap_daily >= 0),
    cap_monthly      integer CHECK (cap_monthly >= 0),
    tags             jsonb NOT NULL DEFAULT '[]',       -- filter rules, as text
    tag_prefix       text NOT NULL DEFAULT '',
    bid              jsonb,                             -- {"revenue": "25.00"} or a downstream ping (rtb.md)
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, tid)
);

CREATE TABLE buyer_groups (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id       bigint NOT NULL REFERENCES companies (id),
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    behavior         text NOT NULL DEFAULT 'separately' CHECK (behavior IN ('separately', 'simultaneously')),
    priority         integer NOT NULL DEFAULT 1,
    weight           integer NOT NULL DEFAULT 1 CHECK (weight >= 1),
    paused           boolean NOT NULL DEFAULT false,
    cap_concurrency  integer CHECK (cap_concurrency >= 0),
    cap_hard         integer CHECK (cap_hard >= 0),
    cap_hourly       integer CHECK (cap_hourly >= 0),   -- windows in the company's time zone
    cap_daily        integer CHECK (cap_daily >= 0),
    cap_monthly      integer CHECK (cap_monthly >= 0),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, name)
);

CREATE TABLE buyer_group_members (
    group_id  bigint NOT NULL REFERENCES buyer_groups (id) ON DELETE CASCADE,
    buyer_id  bigint NOT NULL REFERENCES buyers (id),
    position  integer NOT NULL,
    PRIMARY KEY (group_id, buyer_id)
);
CREATE INDEX buyer_group_members_by_buyer ON buyer_group_members (buyer_id);

CREATE TABLE campaigns (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id         bigint NOT NULL REFERENCES companies (id),
    cid                text NOT NULL CHECK (length(cid) BETWEEN 1 AND 128),
    name               text NOT NULL DEFAULT '',
    routing_mode       text NOT NULL DEFAULT 'priority_weight' CHECK (routing_mode IN ('priority_weight', 'bid')),
    tags               jsonb NOT NULL DEFAULT '[]',     -- filter rules for the whole campaign
    dedupe_seconds     integer NOT NULL DEFAULT 0 CHECK (dedupe_seconds >= 0),
    paused             boolean NOT NULL DEFAULT false,
    allow_loss         boolean NOT NULL DEFAULT false,
    no_target_message  text NOT NULL DEFAULT '',
    fallback_number    text,
    sub_id             text NOT NULL DEFAULT '',
    default_payout     numeric(12,4) CHECK (default_payout >= 0),
    default_revenue    numeric(12,4) CHECK (default_revenue >= 0),
    seconds            integer CHECK (seconds >= 0),    -- call length that the default payout needs
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, cid)
);

-- A campaign's candidates: one row is one buyer or one group; null priority or weight = the buyer's or group's own.
CREATE TABLE campaign_routes (
    campaign_id  bigint NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    position     integer NOT NULL,
    buyer_id     bigint REFERENCES buyers (id),
    group_id     bigint REFERENCES buyer_groups (id),
    priority     integer,
    weight       integer CHECK (weight >= 1),
    PRIMARY KEY (campaign_id, position),
    CHECK ((buyer_id IS NULL) <> (group_id IS NULL))
);
CREATE INDEX campaign_routes_by_buyer ON campaign_routes (buyer_id);
CREATE INDEX campaign_routes_by_group ON campaign_routes (group_id);

CREATE TABLE numbers (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id    bigint NOT NULL REFERENCES companies (id),
    campaign_id   bigint NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    number        text NOT NULL UNIQUE CHECK (number ~ '^\+[1-9][0-9]{6,14}$'), -- one company, platform-wide
    publisher_id  bigint REFERENCES publishers (id),
    rtb_pool      boolean NOT NULL DEFAULT false,
    tags          jsonb NOT NULL DEFAULT '{}',          -- put on calls to it
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX numbers_by_campaign ON numbers (campaign_id);
CREATE INDEX numbers_by_publisher ON numbers (publisher_id);

CREATE TABLE conversion_criteria (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id      bigint NOT NULL REFERENCES companies (id),
    campaign_id     bigint NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    name            text NOT NULL,
    side            text NOT NULL DEFAULT 'both' CHECK (side IN ('payable', 'receivable', 'both')),
    kind            text NOT NULL CHECK (kind IN ('timer', 'postback')),
    tags            jsonb NOT NULL DEFAULT '[]',        -- filter rules, as text
    eval_order      integer NOT NULL DEFAULT 1,
    dedupe_seconds  integer NOT NULL DEFAULT 0 CHECK (dedupe_seconds >= 0),
    conversions     jsonb NOT NULL DEFAULT '[]',        -- [{seconds, revenue, payout, payout_modifier, postback_timeout_seconds}]
    UNIQUE (campaign_id, name)
);

CREATE TABLE webhooks (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id      bigint NOT NULL REFERENCES companies (id),
    campaign_id     bigint NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    name            text NOT NULL,
    trigger         text NOT NULL CHECK (trigger IN ('start', 'selected', 'answered', 'end', 'converted', 'data_appended')),
    url             text NOT NULL,
    method          text NOT NULL DEFAULT 'POST' CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
    headers         jsonb NOT NULL DEFAULT '{}',
    body            text NOT NULL DEFAULT '',
    tags            jsonb NOT NULL DEFAULT '[]',
    fire_order      integer NOT NULL DEFAULT 1,
    dedupe_seconds  integer NOT NULL DEFAULT 0 CHECK (dedupe_seconds >= 0),
    UNIQUE (campaign_id, name)
);

CREATE TABLE directories (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  bigint NOT NULL REFERENCES companies (id),
    name        text NOT NULL,
    UNIQUE (company_id, name)
);

CREATE TABLE directory_entries (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    directory_id  bigint NOT NULL REFERENCES directories (id) ON DELETE CASCADE,
    name          text NOT NULL,
    number        text NOT NULL,                        -- where a transfer may go
    UNIQUE (directory_id, name)
);
