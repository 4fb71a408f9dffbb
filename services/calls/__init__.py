"""The calls service: what the switch does next, and what happened."""
