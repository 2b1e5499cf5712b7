"""What a Google Cloud project has, from its permissions to its measurements. Only read."""
