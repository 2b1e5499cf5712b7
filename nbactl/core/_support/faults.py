"""Named dangerous instants, where a test can stop, delay or kill this process.

A fault point costs one look-up in an empty dict until it is armed, by a test (`arm`) or by the environment
variable NBACTL_FAULTS (`name=action[@hit]`, comma-separated; action is `kill`, `fail` or `sleep:SECONDS`;
`@3` acts on the third time the point is reached, in this process).
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_armed: dict[str, Callable[[], None]] = {}


def reach(name: str) -> None:
    """Mark that the instant `name` is reached; does nothing unless it is armed."""
    if _armed and (action := _armed.get(name)) is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """Have `action` called whenever `name` is reached."""
    _armed[name] = action


def disarm(name: str) -> None:
    """Forget the fault at `name`."""
    _armed.pop(name, None)


def disarm_all() -> None:
    """Forget every armed fault."""
    _armed.clear()


def arm_from_environment(text: str) -> None:
    """Arm what NBACTL_FAULTS says. Raises ConfigError for text that is not a list of faults."""
    for item in filter(None, text.split(",")):
        name, _, rest = item.partition("=")
        verb, _, hit = rest.partition("@")
        try:
            arm(name, _on_hit(_action(name, verb), int(hit or 1)))
        except ValueError as error:
            raise ConfigError(
                f"NBACTL_FAULTS: '{item}' is not a fault",
                cause=str(error),
                next_step="Write NAME=kill, NAME=fail or NAME=sleep:SECONDS, with @N to act on the Nth time.",
            ) from error


def _on_hit(action: Callable[[], None], wanted: int) -> Callable[[], None]:
    count = 0

    def counted() -> None:
        nonlocal count
        count += 1
        if count == wanted:
            action()

    return counted


def _action(name: str, verb: str) -> Callable[[], None]:
    if verb == "kill":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if verb == "fail":

        def fail() -> None:
            raise UnavailableError(f"fault point {name} is set to fail")

        return fail
    if verb.startswith("sleep:"):
        seconds = float(verb.removeprefix("sleep:"))
        return lambda: time.sleep(seconds)
    raise ValueError(f"'{verb}' is not kill, fail or sleep:SECONDS")
