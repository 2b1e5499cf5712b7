"""SQL as syntax trees: what a statement reads."""
