"""`nbactl logs`."""
