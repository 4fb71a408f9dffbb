"""An account as a whole: read from a file, loaded from Postgres, made equal, written out again."""
