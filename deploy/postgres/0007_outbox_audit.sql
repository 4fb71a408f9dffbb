-- What is owed to the outside, and what was done inside.
-- outbox: written in the transaction of its cause (shared/stores/outbox.py), delivered by the worker.
-- audit_log: appended by whoever changes an account or reveals a token (shared/stores/audit.py); never updated.

CREATE TABLE outbox (
    id             uuid PRIMARY KEY,                    -- v7: the stable webhook-id
    company_id     bigint NOT NULL,
    event_id       uuid NOT NULL,                       -- leased by event: first attempts in fire_order
    webhook_id     bigint NOT NULL,
    call_uuid      uuid,
    fire_order     integer NOT NULL DEFAULT 1,
    payload        jsonb NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL DEFAULT now(),
    leased_until   timestamptz,
    status         text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'delivered', 'dead')),
    last_status    integer,
    last_error     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE status = 'waiting';
CREATE INDEX outbox_by_event ON outbox (event_id, fire_order);
CREATE INDEX outbox_dead ON outbox (company_id, created_at) WHERE status = 'dead';

CREATE TABLE audit_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id   bigint,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL,                         -- operator:<os user>, api_key:<id>, user:<id>
    action       text NOT NULL,                         -- create, update, delete, pause, resume, reveal, export, apply
    entity       text NOT NULL,
    entity_id    bigint,
    before       jsonb,                                 -- secrets redacted
    after        jsonb,
    chain        bytea                                  -- hash over the row before and this one
);
CREATE INDEX audit_log_by_company ON audit_log (company_id, at DESC);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
