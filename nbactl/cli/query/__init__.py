"""`nbactl query`."""
