"""Load tests: requests at instants that do not depend on the answers, and what became of each."""
