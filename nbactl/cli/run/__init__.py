"""`nbactl run`."""
