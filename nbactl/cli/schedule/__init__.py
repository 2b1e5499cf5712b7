"""`nbactl schedule`."""
