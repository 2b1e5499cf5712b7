"""Measurements against named floors and peers, as ratios from one run: `make bench`."""
