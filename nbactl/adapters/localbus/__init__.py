"""The embedded message bus."""
