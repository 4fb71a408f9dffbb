-- What a call needs while it lives: a revision that guards each change, what its reservation promised, and money by revision.
-- calls, legs, call_tags: written by shared/stores/calls.py and shared/stores/call_changes.py. conversions, ledger, postback_log:
-- shared/stores/call_changes.py. outbox: inserted there, moved on by shared/stores/outbox.py. stored_tags:
-- shared/stores/stored_tags.py. switch_credentials: shared/stores/switches.py.

ALTER TABLE calls
    ADD COLUMN rev                 bigint NOT NULL DEFAULT 1,      -- grows with each change; a change names the one it was judged at
    ADD COLUMN ping_key_id         bigint,                          -- the rtb key of the reservation that it claimed
    ADD COLUMN reserved_buyer_id   bigint,
    ADD COLUMN reserved_group_id   bigint,
    ADD COLUMN reserved_bid        numeric(12,4),                   -- what the reserved buyer bid; null = it did not
    ADD COLUMN only_reserved       boolean NOT NULL DEFAULT false,  -- route_only_to_reserved_target
    ADD COLUMN told_connected_s    integer,                         -- connected seconds as the call's end told them
    ADD COLUMN closed_at           timestamptz,                     -- ended, every leg known: criteria were judged
    ADD COLUMN posted_value        numeric(12,4),                   -- of the latest revision
    ADD COLUMN posted_at           timestamptz,                     -- when the first one came
    ADD COLUMN dialed_s            integer,                         -- from the dialling of the buyer that answered to its end
    ADD COLUMN revision            integer NOT NULL DEFAULT 0,      -- of posted values
    ADD COLUMN ledger_entries      integer NOT NULL DEFAULT 0,
    ADD COLUMN fired               jsonb NOT NULL DEFAULT '[]';     -- names of webhooks that fired

ALTER TABLE legs
    ADD COLUMN bid                 numeric(12,4),
    ADD COLUMN timeout_seconds     integer NOT NULL DEFAULT 30,
    ADD COLUMN send_digits         text NOT NULL DEFAULT '',
    ADD COLUMN failure             text,                            -- what the switch said: busy, no_answer, failed
    ADD COLUMN connected_s         integer,
    ADD COLUMN place               text NOT NULL DEFAULT 'taken' CHECK (place IN ('taken', 'used', 'returned'));
CREATE INDEX legs_ringing ON legs (dialled_at) WHERE status = 'dialling';
CREATE INDEX calls_closing ON calls (ended_at) WHERE status = 'finished' AND closed_at IS NULL;

ALTER TABLE conversions ADD COLUMN value numeric(12,4);             -- what SUCCESS told

-- An event of a switch only adds facts to its call, so the same one again changes nothing: there is nothing to remember.
DROP TABLE switch_events;

-- One row a caller and writer. What a call has used up stays as an empty row until the tags would have run out: its newer rev
-- keeps late writers and an older Redis from bringing them back.
CREATE SEQUENCE stored_tags_rev;
ALTER TABLE stored_tags ALTER COLUMN rev SET DEFAULT nextval('stored_tags_rev');
-- A share of its company's row would be locked by each write, although a company with tags is never deleted.
ALTER TABLE stored_tags DROP CONSTRAINT stored_tags_company_id_fkey;
ALTER TABLE hot_sync DROP CONSTRAINT hot_sync_company_id_fkey;

ALTER TABLE outbox
    ADD COLUMN host     text NOT NULL DEFAULT '',                   -- bulkheads are by host
    ADD COLUMN caller   text,
    ADD COLUMN trigger  text NOT NULL DEFAULT '';
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (host, next_at) WHERE status = 'waiting';
CREATE INDEX outbox_by_caller ON outbox (webhook_id, caller, created_at);
CREATE INDEX outbox_by_call ON outbox (call_uuid);
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE status <> 'waiting';

ALTER TABLE switch_credentials
    ADD COLUMN created_at  timestamptz NOT NULL DEFAULT now();
