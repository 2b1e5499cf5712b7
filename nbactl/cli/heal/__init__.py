"""`nbactl heal`."""
