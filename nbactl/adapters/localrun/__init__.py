"""The services that `nbactl up` runs on this machine, as documents: what is wanted of them, and what is in force."""
