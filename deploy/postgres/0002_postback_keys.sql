-- Bearer tokens that let one outside party do one thing on one entity, and what they did.
-- postback_keys: written by shared/stores/keys.py (key_uses: the same). postback_log: written by the data service.
-- A deleted key's row stays for good: its token is tombstoned, its id is in the records of what it did.

CREATE TABLE postback_keys (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id     bigint NOT NULL REFERENCES companies (id),
    kind           text NOT NULL CHECK (kind IN ('rtb', 'call_data_writing', 'conversion', 'caller_list_management',
                       'call_rejection', 'call_transfer', 'data_sharing', 'call_reservation')),
    level          text NOT NULL CHECK (level IN ('company', 'publisher', 'buyer', 'buyer_group', 'campaign')),
    entity_id      bigint NOT NULL,                     -- of the level's table
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    token_hmac     bytea NOT NULL UNIQUE,               -- HMAC-SHA256(pepper, token): the only way to look it up
    token_sealed   bytea,                               -- AES-256-GCM under the key-encryption key; null = hash only
    secret_hmac    bytea,                               -- caller-list keys
    secret_sealed  bytea,
    settings       jsonb NOT NULL DEFAULT '{}',         -- keys.md, configuration by kind
    paused         boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz
);
CREATE UNIQUE INDEX postback_keys_named ON postback_keys (company_id, level, entity_id, kind, name) WHERE deleted_at IS NULL;

CREATE TABLE key_uses (
    key_id        bigint PRIMARY KEY REFERENCES postback_keys (id),
    last_used_at  timestamptz NOT NULL,                 -- to the minute
    uses          bigint NOT NULL DEFAULT 0
);

-- Every inbound postback, the FAILED ones too.
CREATE TABLE postback_log (
    company_id   bigint NOT NULL,
    received_at  timestamptz NOT NULL,
    id           uuid NOT NULL,
    key_id       bigint NOT NULL,
    kind         text NOT NULL,
    call_uuid    uuid,
    caller       text,
    answer       text NOT NULL,                         -- SUCCESS, or the reason
    detail       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (company_id, received_at, id)
) PARTITION BY RANGE (received_at);
