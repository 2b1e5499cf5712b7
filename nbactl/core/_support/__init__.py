"""What the rooms of the core share: time, ids, names, threads, fault points."""
