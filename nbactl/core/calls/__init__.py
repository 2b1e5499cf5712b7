"""Calling a dependency: deadlines, retries, breakers, rate limits and caches."""
