"""Declared variables against deployed ones, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.services.change.wording import quoted, shown
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from nbactl.cli.services.change.values.command import EnvDiff
    from nbactl.cli.show.console import Console
    from nbactl.deployments.desired import Difference

_CHANGES_PENDING = 3


def env_diff(diff: EnvDiff, *, detailed: bool) -> View:
    """Show the variables that are not as declared."""
    items = [
        {
            "service": compared.service.name,
            "variable": one.name,
            "declared": _value(one, one.wanted),
            "deployed": _value(one, one.found),
            "obstacle": one.obstacle,
        }
        for compared in diff.services
        for one in compared.found
    ]

    def show(console: Console) -> None:
        for compared in diff.services:
            if not compared.found:
                continue
            console.print(Styled(compared.service.name, "bold"))
            for one in compared.found:
                was = "not set" if one.found is None else quoted(_value(one, one.found))
                text = f"{one.name} = {was}, declared {quoted(_value(one, one.wanted))}"
                console.print("  ", Styled("~" if one.found is not None else "+", "yellow"), f" {text}")
                if one.obstacle is not None:
                    console.print("      ", Styled(one.obstacle, "dim"))
        count = sum(compared.declared for compared in diff.services)
        if not diff.differs:
            console.note(f"All {count} declared variables of {len(diff.services)} services are as declared.")
        else:
            console.note("To bring them in line: nbactl services apply")

    data = {
        "differences": items,
        "compared": [{"service": one.service.name, "declared": one.declared} for one in diff.services],
        "not_deployed": list(diff.missing),
    }
    missing = tuple(f"{name} is declared in workflows.yaml, but is not deployed" for name in diff.missing)
    code = _CHANGES_PENDING if detailed and diff.differs else 0
    return View(data, show, items="differences", exit_code=code, warnings=missing)


def _value(found: Difference, value: str | float | None) -> str | None:
    return None if value is None else shown(found.name, str(value))
