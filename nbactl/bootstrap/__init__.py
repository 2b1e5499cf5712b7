"""The composition root: settings to adapters to services, each made when it is first asked for."""

from nbactl.bootstrap.container import Container

__all__ = ["Container"]
