"""`nbactl check`."""
