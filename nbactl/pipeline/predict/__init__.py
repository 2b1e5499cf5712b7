"""Predictions of player props: one baseline for all statistics, its history, its tables, its export and its grades."""
