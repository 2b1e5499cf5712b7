"""`nbactl status`."""
