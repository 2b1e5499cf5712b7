"""Deployed services: what the variables of their environment should be, and changes of them that can be taken back."""
