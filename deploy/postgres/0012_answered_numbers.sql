-- Where a call goes whose buyer was asked for its bid and answered with a number of its own.
-- calls: written by shared/stores/calls.py.

ALTER TABLE calls ADD COLUMN reserved_number text;              -- E.164 or a SIP address; null = the buyer's own
