"""The control service's nouns and decisions: pure."""
