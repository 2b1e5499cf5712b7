"""The composition root: it builds settings into adapters and these into services, each at its first use."""

from nbactl.bootstrap.container import Container

__all__ = ["Container"]
