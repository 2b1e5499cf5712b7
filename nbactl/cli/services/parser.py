"""The command line of `nbactl services`. Each module that is imported here adds its commands to the group."""

from __future__ import annotations

from nbactl.cli.services.group import app

# isort: split
from nbactl.cli.services.look import parser as look  # what help lists first

# isort: split
from nbactl.cli.services.change import parser as change
from nbactl.cli.services.logs import parser as logs

__all__ = ["app", "change", "logs", "look"]
