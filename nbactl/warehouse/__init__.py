"""Declared tables."""
