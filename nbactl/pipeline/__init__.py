"""The NBA processors, their SQL and their sources."""
