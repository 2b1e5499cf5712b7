"""What no single value shows: references between entries and files, cycles, and timeouts that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.config.check_flags import check_flags
from nbactl.config.check_timeouts import check_timeouts
from nbactl.config.check_workflows import check_workflows

if TYPE_CHECKING:
    from nbactl.config.flags import FlagsFile
    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import WorkflowsFile


def check(
    workflows: ConfigFile[WorkflowsFile] | None,
    timeouts: ConfigFile[TimeoutsFile] | None,
    flags: ConfigFile[FlagsFile] | None,
) -> list[Problem]:
    """Return what is wrong in the files that could be read."""
    problems: list[Problem] = []
    if timeouts is not None:
        problems += check_timeouts(timeouts)
    if workflows is not None:
        problems += check_workflows(workflows, timeouts)
    if flags is not None:
        problems += check_flags(flags)
    return problems
