"""`nbactl config`."""
