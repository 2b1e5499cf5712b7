"""When workflows are due."""
