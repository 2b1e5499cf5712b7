"""`nbactl expect`."""
