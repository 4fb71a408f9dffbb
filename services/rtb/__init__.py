"""The rtb service: pings and confirms."""
