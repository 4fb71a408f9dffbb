-- Numbers that must not, or alone may, reach a company's campaigns or a buyer.
-- Written by shared/stores/lists.py (uploads: the worker's upload job).

CREATE TABLE caller_lists (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id             bigint NOT NULL REFERENCES companies (id),
    level                  text NOT NULL CHECK (level IN ('company', 'campaign', 'buyer')),
    entity_id              bigint NOT NULL,
    name                   text NOT NULL CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$'),
    expires_after_seconds  integer CHECK (expires_after_seconds > 0),
    generation_id          bigint,                      -- the live generation; flipping it swaps the list
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (level, entity_id, name)
);
CREATE INDEX caller_lists_by_company ON caller_lists (company_id);

-- Small numbers on purpose: they stand in Redis once for each listed caller.
CREATE TABLE caller_list_generations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  bigint NOT NULL REFERENCES companies (id),
    list_id     bigint NOT NULL REFERENCES caller_lists (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE caller_lists ADD FOREIGN KEY (generation_id) REFERENCES caller_list_generations (id) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE caller_list_numbers (
    company_id     bigint NOT NULL,
    generation_id  bigint NOT NULL REFERENCES caller_list_generations (id) ON DELETE CASCADE,
    number         text NOT NULL,                       -- E.164
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz,
    key_id         bigint,                              -- which key added it
    PRIMARY KEY (generation_id, number)
);
CREATE INDEX caller_list_numbers_by_number ON caller_list_numbers (company_id, number);
CREATE INDEX caller_list_numbers_expiring ON caller_list_numbers (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE caller_list_uploads (
    id                   uuid PRIMARY KEY,
    company_id           bigint NOT NULL REFERENCES companies (id),
    list_id              bigint NOT NULL REFERENCES caller_lists (id) ON DELETE CASCADE,
    key_id               bigint,
    action               text NOT NULL CHECK (action IN ('create', 'delete')),
    clear_before_upload  boolean NOT NULL DEFAULT false,
    status               text NOT NULL DEFAULT 'Processing',
    generation_id        bigint,
    rows_read            bigint NOT NULL DEFAULT 0,
    rows_applied         bigint NOT NULL DEFAULT 0,
    rows_rejected        bigint NOT NULL DEFAULT 0,
    rejected             jsonb NOT NULL DEFAULT '[]',
    created_at           timestamptz NOT NULL DEFAULT now(),
    finished_at          timestamptz
);
