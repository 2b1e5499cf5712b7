"""What a Google Cloud project has: its permissions, datasets, indexes, TTL policies and topics. Only read."""
