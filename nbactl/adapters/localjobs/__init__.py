"""Jobs on this machine, which `nbactl up` runs."""
