"""The settings of a service: read, and written where they are set.

Cloud Run knows instances on two levels: `scaling` of the service holds for all its revisions together and takes effect
at once, `template.scaling` holds for one revision and makes a new one. Google recommends the former, and not to combine
them (https://cloud.google.com/run/docs/configuring/min-instances); `gcloud run deploy --min-instances` sets the latter.
What is read is what both allow: the larger minimum and the smaller maximum. A setting is changed on the level where it
is set, the service's if on both, else in the template: so the next deployment by hand meets it where it was.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.ports.service_rules import check_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.ports.services import SettingName, Settings

_COUNTS: Final[dict[SettingName, str]] = {"min_instances": "minInstanceCount", "max_instances": "maxInstanceCount"}
_STRICTER: Final[dict[SettingName, Callable[..., Any]]] = {"min_instances": max, "max_instances": min}
_CONCURRENCY: Final = "maxInstanceRequestConcurrency"


def settings_of(template: Mapping[str, Any], scaling: Mapping[str, Any]) -> Settings:
    """Return the settings in force for a template, or revision, and the service's own `scaling`."""
    counts: Settings = {}
    for name, key in _COUNTS.items():
        levels = [level[key] for level in (scaling, template.get("scaling", {})) if level.get(key)]
        counts[name] = _STRICTER[name](levels) if levels else None
    if _is_manual(scaling):
        counts["min_instances"] = counts["max_instances"] = scaling.get("manualInstanceCount", 0)
    return {
        "min_instances": counts["min_instances"] or 0,
        "max_instances": counts["max_instances"],
        "concurrency": template.get(_CONCURRENCY) or None,
        "timeout": _seconds(template.get("timeout")),
    }


def service_wide(scaling: Mapping[str, Any]) -> frozenset[SettingName]:
    """Return the settings that are set for the service as a whole."""
    return frozenset(name for name, key in _COUNTS.items() if scaling.get(key))


def with_settings(
    service: str,
    template: Mapping[str, Any],
    scaling: Mapping[str, Any],
    wanted: Settings,
    back_to_service: frozenset[SettingName],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return template and `scaling` with the settings; what neither names stays. Raises DataError.

    `back_to_service` has those that are set for the service as a whole, wherever they are set now.
    """
    if not wanted:
        return dict(template), dict(scaling)
    new, level = copy.deepcopy(dict(template)), dict(scaling)
    if _is_manual(level) and _COUNTS.keys() & wanted.keys():
        raise DataError(
            f"{service} is scaled by hand to {level.get('manualInstanceCount', 0)} instances",
            cause="Cloud Run ignores the fewest and the most instances then.",
            next_step=f"Switch it first: gcloud run services update {service} --scaling auto",
        )
    at_service = service_wide(level) | back_to_service
    for name, key in _COUNTS.items():
        if name in wanted:
            if name in at_service:
                _put(level, key, wanted[name])
            else:
                _put(new.setdefault("scaling", {}), key, wanted[name])
    if "concurrency" in wanted:
        _put(new, _CONCURRENCY, wanted["concurrency"])
    if "timeout" in wanted:
        timeout = wanted["timeout"]
        _put(new, "timeout", None if timeout is None else f"{int(timeout)}s")
    found = settings_of(new, level)
    check_settings(service, found)
    if overruled := not_as_wanted(found, wanted):
        _refuse(service, overruled[0], found, level)
    return new, level


def not_as_wanted(found: Settings, wanted: Settings) -> list[SettingName]:
    """Return the settings that are not as wanted; with None the platform decides, so any value is right."""
    return [name for name, value in wanted.items() if value is not None and found.get(name) != value]


def _refuse(service: str, name: SettingName, found: Settings, level: Mapping[str, Any]) -> None:
    """Raise the error for a setting that the other level overrules."""
    option = name.replace("_instances", "")
    other = f"--{option}-instances" if name in service_wide(level) else f"--{option}"
    raise DataError(
        f"{service} has {name.replace('_', ' ')} for the service and for its revision, and {found[name]} wins",
        cause="Cloud Run keeps to the larger minimum and the smaller maximum of the two.",
        next_step=f"Remove the other one first: gcloud run services update {service} {other} default",
        details={"service": service, "setting": name},
    )


def _is_manual(scaling: Mapping[str, Any]) -> bool:
    return scaling.get("scalingMode") == "MANUAL"


def _put(target: dict[str, Any], key: str, value: float | str | None) -> None:
    """Set a value, or remove it: Cloud Run's answers do not have zeros."""
    if value:
        target[key] = value if isinstance(value, str) else int(value)
    else:
        target.pop(key, None)


def _seconds(duration: str | None) -> float | None:
    """Return the seconds of a duration such as `540s`."""
    return None if not duration else float(duration.removesuffix("s"))
