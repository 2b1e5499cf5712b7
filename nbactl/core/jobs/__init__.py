"""Scheduled jobs: their timetables, what is declared against what is there, and what is wrong with them."""
