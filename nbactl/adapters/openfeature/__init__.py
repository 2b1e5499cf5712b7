"""Feature flags for code that asks OpenFeature's SDK."""
