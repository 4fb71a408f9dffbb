"""The nouns and what they mean: pure."""
