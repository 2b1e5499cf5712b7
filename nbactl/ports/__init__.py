"""The narrow interfaces that adapters implement, and their records."""
