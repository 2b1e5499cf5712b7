"""`nbactl doctor`."""
