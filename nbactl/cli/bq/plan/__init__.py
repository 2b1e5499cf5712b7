"""`nbactl bq plan`."""
