"""The worker: drains, deliverers and sweepers."""
