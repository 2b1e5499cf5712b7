"""What services report: events, logs, metrics, failures, context."""
