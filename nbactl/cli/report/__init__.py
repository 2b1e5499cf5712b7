"""`nbactl report`."""
