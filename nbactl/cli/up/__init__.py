"""`nbactl up`."""
