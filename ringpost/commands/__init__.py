"""One file per command; ringpost/cli.py lists them."""
