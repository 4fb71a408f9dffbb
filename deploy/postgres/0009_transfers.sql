-- Legs that a buyer's caller is handed on to. Written as all legs: shared/stores/call_changes.py.

ALTER TABLE legs
    ADD COLUMN transferred_from  uuid,                              -- the leg that hands its caller on; null = routed
    ADD COLUMN warm              boolean NOT NULL DEFAULT false;    -- its buyer stays in the call
CREATE INDEX legs_handed_on ON legs (uuid) WHERE transferred_from IS NOT NULL;
