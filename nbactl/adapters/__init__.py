"""Implementations of the ports, by technology."""
