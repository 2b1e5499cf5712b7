"""`nbactl completion`, and what shells complete."""
