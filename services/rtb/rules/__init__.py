"""The rtb service's decisions: pure, seeded, and the same again from the ping log."""
