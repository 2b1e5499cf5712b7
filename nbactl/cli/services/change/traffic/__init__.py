"""Which revisions of a service get its requests."""
