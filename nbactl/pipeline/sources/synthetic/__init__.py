"""A season that never was: invented players of the thirty teams, made from a seed."""
