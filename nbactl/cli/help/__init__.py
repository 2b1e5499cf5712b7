"""`nbactl help`, its topics, and the generated reference."""
