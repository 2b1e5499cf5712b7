"""Whether games are expected on a date: season, breaks, halts by hand."""
