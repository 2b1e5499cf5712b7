"""How anything looks: streams, tables, times, progress."""
