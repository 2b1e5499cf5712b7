"""The kinds of faults: each finds, has repaired by its owner, and verifies by the effect."""
