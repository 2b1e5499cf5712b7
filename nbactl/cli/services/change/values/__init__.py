"""Variables and settings of services: compared with workflows.yaml, set, and brought to what it declares."""
