"""`nbactl prune`."""
