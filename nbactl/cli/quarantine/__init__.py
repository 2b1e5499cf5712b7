"""`nbactl quarantine`."""
