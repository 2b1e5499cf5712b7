"""`nbactl subscriptions`."""
