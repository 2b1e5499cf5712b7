"""Online migrations: moved through stages by an operator while the system runs, each step gated and reversible."""
