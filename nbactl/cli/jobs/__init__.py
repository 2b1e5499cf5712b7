"""`nbactl jobs`."""
