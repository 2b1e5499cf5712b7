"""Doing what a plan of tables says: resumable, reversible, and without losing rows that others write meanwhile."""
