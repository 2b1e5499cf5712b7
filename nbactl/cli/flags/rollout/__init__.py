"""`nbactl flags rollout`."""
