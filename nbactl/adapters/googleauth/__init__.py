"""Google's identity tokens, verified by google-auth."""
