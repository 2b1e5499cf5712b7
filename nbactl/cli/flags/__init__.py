"""`nbactl flags`."""
