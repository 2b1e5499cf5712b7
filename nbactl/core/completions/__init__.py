"""Completions of prediction batches: recorded once, counted once, read in one place."""
