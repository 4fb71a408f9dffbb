"""The rtb service's nouns: pure."""
