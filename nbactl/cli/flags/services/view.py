"""Drift and changes of deployed services as JSON and as text."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from nbactl.cli.flags.services.command import NO_SERVICES
from nbactl.cli.flags.view import show_findings
from nbactl.cli.services.change.view import services_changed
from nbactl.cli.show.render import View

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.cli.flags.services.command import ComparedService, FlagsDrift, ServicesRolledBack
    from nbactl.cli.show.console import Console


def flags_drift(found: FlagsDrift) -> View:
    """Show where flags differ."""
    compared = ["store", "flags.yaml", "environment"]
    if found.services is not None:
        compared.append("services")

    def show(console: Console) -> None:
        show_findings(console, found.findings, f"{', '.join(compared[:-1])} and {compared[-1]} agree.".capitalize())
        if found.services is None and found.error is None:
            console.note(NO_SERVICES)

    data = {
        "drift": [asdict(finding) for finding in found.findings],
        "compared": compared,
        "services": [_compared(service) for service in found.services or ()],
    }
    exit_code = found.error.exit_code if found.error is not None else 1 if found.findings else 0
    return View(data, show, items="drift", exit_code=exit_code, warnings=found.left_alone, error=found.error)


def services_rolled_back(done: ServicesRolledBack, app: Container) -> View:
    """Show the variables that switch flags off, and the services that have them now."""
    if done.changed is not None:
        changed = services_changed(done.changed, app)
        return replace(changed, data={**changed.data, "environment": done.variables})

    def show(console: Console) -> None:
        for name, value in done.variables.items():
            console.print(f"export {name}={shlex.quote(value)}")
        console.note("Nothing was changed. Set these variables where the services run: flags read them every refresh.")

    return View({"environment": done.variables}, show, warnings=done.warnings)


def _compared(compared: ComparedService) -> dict[str, Any]:
    return {
        "service": compared.service.name,
        "declared": compared.declared,
        "latest_revision": compared.service.latest_created_revision,
        "traffic_percent": compared.service.latest_share,
        "variables": [
            {name: value for name, value in asdict(variable).items() if name != "service"}
            for variable in compared.variables
        ],
    }
