"""`nbactl breakers`."""
