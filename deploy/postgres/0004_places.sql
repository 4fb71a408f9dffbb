-- Committed cap places: the truth that no call goes over. Redis only mirrors it.
-- Written by shared/stores/places.py (judged by a conditional UPDATE), read by shared/stores/rebuild.py.
-- subject = b<buyer_id> or g<group_id>. A window id is the epoch second of the window's start in the subject's time zone:
-- another id in the row means 0, and is overwritten only by a later one.

CREATE TABLE cap_fills (
    company_id  bigint NOT NULL REFERENCES companies (id),
    subject     text NOT NULL CHECK (subject ~ '^[bg][0-9]+$'),
    hour_at     bigint NOT NULL DEFAULT 0,
    hour_n      integer NOT NULL DEFAULT 0,
    day_at      bigint NOT NULL DEFAULT 0,
    day_n       integer NOT NULL DEFAULT 0,
    month_at    bigint NOT NULL DEFAULT 0,
    month_n     integer NOT NULL DEFAULT 0,
    hard_n      integer NOT NULL DEFAULT 0,
    live_n      integer NOT NULL DEFAULT 0 CHECK (live_n >= 0),
    rev         bigint NOT NULL DEFAULT 1,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, subject)
) WITH (fillfactor = 70);
CREATE INDEX cap_fills_changed ON cap_fills (changed_at);
