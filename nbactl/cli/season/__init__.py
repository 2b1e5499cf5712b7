"""`nbactl season`."""
