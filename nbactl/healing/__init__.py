"""Finding what did not happen, repairing it within a budget, and verifying that it happened."""
