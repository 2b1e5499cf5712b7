"""What one instance of a service has: vCPU and memory over all its containers, and how it is billed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.ports.services import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping

_CPU: Final = 1.0
_MEMORY: Final = 0.5
"""What a container has where nothing is set: https://cloud.google.com/run/docs/configuring/services/cpu and
https://cloud.google.com/run/docs/configuring/services/memory-limits."""
_GIB: Final = 2**30
_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": _GIB}
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G|m|)")


def resources_of(template: Mapping[str, Any]) -> Resources | None:
    """Return what a template gives an instance, None if a limit cannot be read."""
    containers = [container.get("resources", {}) for container in template.get("containers", ())]
    cpu = [_amount(each.get("limits", {}).get("cpu", f"{_CPU}")) for each in containers]
    memory = [_amount(each.get("limits", {}).get("memory", f"{_MEMORY * _GIB:.0f}")) for each in containers]
    known = [amount for amount in (*cpu, *memory) if amount is not None]
    if not containers or len(known) < len(cpu) + len(memory):
        return None
    total = sum(known[: len(cpu)]), sum(known[len(cpu) :]) / _GIB
    always = any(each.get("cpuIdle") is False for each in containers)
    return Resources(*total, always_billed=always)


def _amount(text: str) -> float | None:
    """Return a quantity such as `1000m`, `2` or `512Mi`."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, unit = float(match[1]), match[2]
    return number / 1000 if unit == "m" else number * _UNITS[unit]
