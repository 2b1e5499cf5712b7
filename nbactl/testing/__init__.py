"""Public helpers for tests: fake clock, fault points, in-memory store."""
