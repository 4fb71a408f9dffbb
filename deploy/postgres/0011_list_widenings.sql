-- Companies whose caller lists are being moved into more buckets in Redis, or have been and leave the old ones behind.
-- list_widenings, companies.list_buckets: written by shared/stores/list_widening.py.

-- While a row stands and is not flipped, every writing of a caller goes into both counts of buckets.
CREATE TABLE list_widenings (
    company_id    bigint PRIMARY KEY REFERENCES companies (id),
    buckets_from  integer NOT NULL,
    buckets_to    integer NOT NULL,
    copied_to     text NOT NULL DEFAULT '',             -- the last caller in the new buckets of all that stood there before
    flipped       boolean NOT NULL DEFAULT false,       -- plans read the new ones; the old ones are still to be emptied
    began_at      timestamptz NOT NULL DEFAULT now()
);
