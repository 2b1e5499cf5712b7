"""Tasks in this process and in child processes."""
