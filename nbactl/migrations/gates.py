"""Gates: what must hold before a step, and how to get there when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a step. `missing` says why it does not hold, None if it does; `provide` is what to do about it.

    A gate that is not `forcible` protects writers or data: --force does not override it.
    """

    name: str
    missing: str | None
    provide: str
    forcible: bool = True


def pass_gates(step: str, gates: Sequence[Gate], *, force: bool) -> tuple[str, ...]:
    """Return the names of the gates that `force` overrode. Raises PreconditionError with everything that is missing."""
    closed = [gate for gate in gates if gate.missing is not None]
    if all(gate.forcible for gate in closed) and (force or not closed):
        return tuple(gate.name for gate in closed)
    first = next((gate for gate in closed if not gate.forcible), closed[0])
    raise PreconditionError(
        f"{step} is refused: {'; '.join(str(gate.missing) for gate in closed)}",
        cause="Each step needs what the step before has proved.",
        next_step=first.provide,
        details={
            "gates": [
                {"gate": gate.name, "missing": gate.missing, "provide": gate.provide, "forcible": gate.forcible}
                for gate in closed
            ]
        },
    )
