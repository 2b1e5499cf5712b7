"""Everything that is known about one thing, in order of time."""
