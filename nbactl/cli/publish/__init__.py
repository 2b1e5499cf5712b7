"""`nbactl publish`."""
