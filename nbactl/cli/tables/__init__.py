"""`nbactl tables`."""
