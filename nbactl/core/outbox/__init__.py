"""The transactional outbox, and the sweep of expired documents."""
