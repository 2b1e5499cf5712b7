"""Deployed services on Cloud Run, through its Admin API v2."""
