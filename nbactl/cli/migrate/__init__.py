"""`nbactl migrate`."""
