"""Jobs of Cloud Scheduler."""
