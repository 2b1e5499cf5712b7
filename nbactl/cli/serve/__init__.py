"""`nbactl serve`."""
