"""Services that do not take part: their marks or their variables say that they know the old form only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core.completions.stages import DUAL_WRITE, ENABLED, READS, CompletionMode, CompletionStage, mode_of
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from nbactl.core.completions.participants import Participant
    from nbactl.ports.services import DeployedService

_VARIABLES: Final = (ENABLED, DUAL_WRITE, READS)
_NEEDED: Final = {
    "switch-reads": CompletionStage.DUAL_WRITE,
    "stop-dual-write": CompletionStage.READS_SWITCHED,
    "cleanup": CompletionStage.DUAL_WRITE_STOPPED,
}
"""The earliest stage that a participant has to know before a step."""


TAKES_PART_IN: Final = {
    "switch-reads": CompletionStage.VALIDATED,
    "stop-dual-write": CompletionStage.READS_SWITCHED,
    "cleanup": CompletionStage.DUAL_WRITE_STOPPED,
}
"""The steps that need every service, and the stage in which each is taken."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A service that does not take part. `why` is the second half of a sentence about it, `remedy` what to do."""

    service: str
    why: str
    remedy: str


def absent_services(
    action: str,
    marks: Sequence[Participant],
    deployed: Sequence[DeployedService],
    recorders: Collection[str],
    *,
    now: datetime,
    forgotten: float,
) -> list[Absent]:
    """Return the services that would write or read in a form that ends with `action`, by name.

    A mark that is older than `forgotten` seconds counts as none. A service with a mark follows the stage, whatever its
    variables say. Of the others those are judged that have one of the three variables, and those in `recorders`, which
    record completions even without: then the defaults of the old code hold.
    """
    if action not in _NEEDED:
        return []
    oldest = now - timedelta(seconds=forgotten)
    known = {mark.service: mark for mark in marks if mark.at >= oldest}
    found = [absent for mark in known.values() for absent in _by_mark(mark, _NEEDED[action])]
    for service in deployed:
        concerns_it = service.name in recorders or any(
            name in service.env or name in service.secrets for name in _VARIABLES
        )
        if service.name not in known and concerns_it:
            found += _by_variables(service, action)
    return sorted(found, key=lambda absent: absent.service)


def _by_mark(mark: Participant, needed: CompletionStage) -> Iterator[Absent]:
    order = [stage.value for stage in CompletionStage]
    if mark.stage in order and order.index(mark.stage) >= order.index(needed):
        return
    knows = "knows of no migration" if mark.stage is None else f"knows stage {mark.stage}"
    why = f"{knows} (nbactl {mark.version}, {mark.at:%Y-%m-%d %H:%M} UTC)"
    yield Absent(mark.service, why, "let it handle a request or restart it, so that it reads the stage")


def _by_variables(service: DeployedService, action: str) -> Iterator[Absent]:
    remedy = "deploy it on nbactl.core"
    if service.unreadable is not None:
        yield Absent(service.name, f"has variables that cannot be read ({service.unreadable})", remedy)
        return
    secret = [name for name in _VARIABLES if name in service.secrets]
    if secret:
        yield Absent(service.name, f"takes {secret[0]} from a secret", remedy)
        return
    try:
        mode = mode_of(None, service.env)
    except ConfigError as error:
        yield Absent(service.name, f"has variables that contradict: {error.message}", remedy)
        return
    for does, variable, value in _old_form(mode, action):
        is_set = service.env.get(variable)
        said = f"{variable}={is_set}" if is_set else f"{variable} is not set"
        yield Absent(service.name, f"{does} ({said})", f"{remedy}, or set {variable}={value}")
        return


def _old_form(mode: CompletionMode, action: str) -> Iterator[tuple[str, str, str]]:
    """Yield what a program of this mode does that no program may do after `action`, with the variable that ends it."""
    if not mode.write_subcollection:
        yield "writes only the array", ENABLED, "true"
    if action != "switch-reads" and not mode.read_subcollection:
        yield "reads the array", READS, "true"
    if action == "cleanup" and mode.write_array:
        yield "writes the array", DUAL_WRITE, "false"
