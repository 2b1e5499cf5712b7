"""`nbactl services logs`."""
