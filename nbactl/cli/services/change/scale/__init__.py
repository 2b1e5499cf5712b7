"""How many instances a service has, and what that means."""
