"""Combinations of the three completion variables that their readers refuse: with some, no batch ever completes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.config.flag_variables import everybody_gets
from nbactl.core.completions.stages import DUAL_WRITE, ENABLED, READS, mode_of
from nbactl.core.flags.snapshot import as_text, parse_value
from nbactl.errors import ConfigError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags import Stored
    from nbactl.deployments.plan import ServicePlan
    from nbactl.ports.services import DeployedService

COMPLETION_VARIABLES: Final = (ENABLED, DUAL_WRITE, READS)
_NO_BATCH: Final = "With these values no batch of predictions ever completes."


def completion_flags(file: FlagsFile) -> dict[str, str]:
    """Return the flags that read the three variables, by variable."""
    return {flag.env: key for key, flag in file.flags.items() if flag.env in COMPLETION_VARIABLES}


def refused_in_store(file: FlagsFile, stored: Stored) -> str | None:
    """Return why the readers refuse what the store gives to everybody, None if they take it.

    A flag that was never set counts with its default. Where a flag differs from batch to batch, the one that is rolled
    out decides: the array is written for the others, which is never wrong.
    """
    some = {ENABLED: True, DUAL_WRITE: True, READS: False}
    environment = {}
    for variable, key in completion_flags(file).items():
        value = everybody_gets(key, file, stored)
        environment[variable] = as_text(some[variable] if value is None else value)
    return _why_refused(environment)


def refused_as_deployed(deployed: Mapping[str, str]) -> str | None:
    """Return why the readers refuse the three variables as they are on a service, None if they take them.

    A text that is not a boolean is another matter, and None as well.
    """
    try:
        parsed = {name: parse_value(bool, text) for name, text in deployed.items() if text.strip()}
    except ValueError:
        return None
    return _why_refused({name: as_text(value) for name, value in parsed.items()})


def refused_on_service(service: DeployedService, plan: ServicePlan) -> str | None:
    """Return why the readers refuse a service's variables after a change of the three, None if they take them."""
    if not any(name in COMPLETION_VARIABLES for name in plan.after.env):
        return None
    after: dict[str, str | None] = {**service.env, **plan.after.env}
    if any(name in service.secrets for name in COMPLETION_VARIABLES):
        return "one of the three variables comes from a secret, so that their combination cannot be checked"
    return _why_refused({name: text for name in COMPLETION_VARIABLES if (text := after.get(name)) is not None})


def check_store(file: FlagsFile, stored: Stored, keys: Collection[str]) -> None:
    """Raise PreconditionError if the store's combination is refused and it is to be written (all flags, or `keys`)."""
    flags = completion_flags(file)
    if keys and not any(key in keys for key in flags.values()):
        return
    if why := refused_in_store(file, stored):
        raise PreconditionError(
            f"the flags in the store are a combination that its readers refuse: {why}",
            cause=_NO_BATCH,
            next_step=f"Switch dual-write on again: nbactl flags set {flags.get(DUAL_WRITE, DUAL_WRITE)} --on",
        )


def check_services(services: Collection[DeployedService], plans: Collection[ServicePlan]) -> None:
    """Raise PreconditionError if a plan would leave a service with a combination that its readers refuse."""
    by_name = {service.name: service for service in services}
    for plan in plans:
        if why := refused_on_service(by_name[plan.service], plan):
            raise PreconditionError(
                f"{plan.service} would get a combination that its readers refuse: {why}",
                cause=_NO_BATCH,
                next_step="Set all three flags first (nbactl flags list), or name other flags.",
            )


def _why_refused(environment: Mapping[str, str]) -> str | None:
    try:
        mode_of(None, environment)
    except ConfigError as error:
        return error.message
    return None
