"""The data service's nouns and decisions: pure."""
