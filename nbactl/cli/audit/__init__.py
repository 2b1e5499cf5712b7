"""`nbactl audit`."""
