"""`nbactl demo`."""
