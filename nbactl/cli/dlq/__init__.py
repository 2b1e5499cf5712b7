"""`nbactl dlq`."""
