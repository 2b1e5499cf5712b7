"""The command line of `nbactl prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.coercion import DURATION
from nbactl.cli.frame import command, single
from nbactl.cli.prune import view
from nbactl.cli.prune.command import PruneRequest
from nbactl.cli.prune.command import prune as remove_old
from nbactl.cli.show.render import View

app = single()
