"""`nbactl runs`."""
