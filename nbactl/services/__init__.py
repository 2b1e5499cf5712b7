"""The services of the pipeline: HTTP endpoints in front of the rooms below. `nbactl serve` runs them."""
