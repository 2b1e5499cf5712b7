"""`nbactl bq lint`."""
