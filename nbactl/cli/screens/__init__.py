"""How runs, boards, batches and migrations look: for a person, live, and as JSON."""
