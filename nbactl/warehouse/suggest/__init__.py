"""Advice on clustering, from the queries that were run."""
