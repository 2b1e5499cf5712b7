"""`nbactl validate`."""
