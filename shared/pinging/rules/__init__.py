"""Whether a ping is evaluated at all, and what becomes of one: pure."""
