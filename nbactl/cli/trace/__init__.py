"""`nbactl trace`."""
