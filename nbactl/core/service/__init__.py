"""A service of the pipeline: push endpoints, health, graceful stop, context propagation."""
