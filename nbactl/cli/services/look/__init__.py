"""Reading what is deployed: list, show, health, smoke, diff."""
