"""The command line of `nbactl services`. Each module that is imported here adds its commands to the group."""

from __future__ import annotations

import nbactl.cli.services.logs.parser  # noqa: F401
from nbactl.cli.services.group import app
from nbactl.cli.services.look import parser as look

__all__ = ["app", "change", "look"]
