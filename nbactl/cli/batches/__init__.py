"""`nbactl batches`."""
