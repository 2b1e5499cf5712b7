"""`nbactl outbox`."""
