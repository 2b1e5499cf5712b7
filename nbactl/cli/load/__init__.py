"""`nbactl load`."""
