"""The calls service's nouns and decisions: pure, and the same again from the call's record."""
