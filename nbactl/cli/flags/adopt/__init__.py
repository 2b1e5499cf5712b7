"""What is deployed becomes the state in the store: `nbactl flags adopt`."""
