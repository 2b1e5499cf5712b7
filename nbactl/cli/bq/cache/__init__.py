"""`nbactl bq cache`."""
