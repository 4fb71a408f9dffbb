"""The control service: what partners do with live calls."""
