"""Failures to Sentry, or to what speaks its protocol."""
