"""`nbactl alerts`."""
