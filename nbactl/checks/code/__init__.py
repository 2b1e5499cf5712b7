"""Rules over Python code: every file is parsed and walked once for all of them."""
