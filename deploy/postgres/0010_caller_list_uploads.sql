-- Uploads of caller lists as they come in, and generations that nobody reads any more.
-- caller_list_uploads: opened and shown by shared/stores/list_uploads.py, moved on by shared/stores/list_upload_turns.py.
-- caller_list_upload_chunks: the same two. caller_list_generations.dead: shared/stores/lists.py and list_upload_turns.py.

-- A body is stored as it comes, in chunks of whole rows; a chunk goes in the transaction that applies it, so what is left is
-- what is still to be done. 'Receiving' until the body is whole; nobody has been told of such an upload.
CREATE TABLE caller_list_upload_chunks (
    upload_id  uuid NOT NULL REFERENCES caller_list_uploads (id) ON DELETE CASCADE,
    position   integer NOT NULL,
    first_row  bigint NOT NULL,                         -- the number of the chunk's first row in the whole upload
    text       text NOT NULL,
    PRIMARY KEY (upload_id, position)
);
CREATE INDEX caller_list_uploads_open ON caller_list_uploads (id) WHERE status IN ('Receiving', 'Processing');
CREATE INDEX caller_list_uploads_by_list ON caller_list_uploads (list_id);

-- A dead generation outlives its list until the worker has taken its numbers off, some at a time.
ALTER TABLE caller_list_generations
    ALTER COLUMN list_id DROP NOT NULL,
    ADD COLUMN dead boolean NOT NULL DEFAULT false;
CREATE INDEX caller_list_generations_dead ON caller_list_generations (id) WHERE dead;
CREATE INDEX caller_list_generations_by_list ON caller_list_generations (list_id);
CREATE INDEX caller_lists_by_generation ON caller_lists (generation_id);
