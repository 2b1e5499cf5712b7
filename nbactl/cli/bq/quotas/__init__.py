"""`nbactl bq quotas`."""
