"""`nbactl bq apply`."""
