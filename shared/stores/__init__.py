"""Where the nouns live: Postgres and Redis."""
