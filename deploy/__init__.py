"""What Ringpost runs on: the local cluster, the schema, images and monitoring."""
