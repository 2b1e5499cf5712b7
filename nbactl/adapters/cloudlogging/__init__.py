"""Logs of services in Cloud Logging, read with Google's client."""
