"""`nbactl bq`."""
