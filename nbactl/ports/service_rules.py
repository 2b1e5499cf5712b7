"""What every engine of the services port refuses before anything is sent.

The names and limits are those of Cloud Run's container contract (https://cloud.google.com/run/docs/container-contract,
https://cloud.google.com/run/quotas, https://cloud.google.com/run/docs/about-concurrency,
https://cloud.google.com/run/docs/configuring/request-timeout).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError
from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.services import ServiceEdit, SettingName, Settings, Traffic

RESERVED: Final = frozenset(
    {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE"}
)
RESERVED_PREFIX: Final = "X_GOOGLE_"
MAX_BYTES: Final = 32_768
MAX_VARIABLES: Final = 1_000
MAX_CONCURRENCY: Final = 1_000
MAX_TIMEOUT: Final = 3_600  # nbactl: ignore[hardcoded-timeout] what Cloud Run takes, not how long nbactl waits
"""Seconds."""
_LEAST: Final[dict[SettingName, int]] = {
    "min_instances": 0,
    "max_instances": 1,
    "concurrency": 1,
    "timeout": 1,  # nbactl: ignore[hardcoded-timeout] what Cloud Run takes, not how long nbactl waits
}
_MOST: Final[dict[SettingName, int]] = {"concurrency": MAX_CONCURRENCY, "timeout": MAX_TIMEOUT}


def processes_of(settings: Settings) -> int:
    """Return how many processes of `nbactl up` serve: it does not scale with the load, so it is the fewest that may."""
    fewest = max(1, int(settings.get("min_instances") or 0))
    most = settings.get("max_instances")
    return fewest if most is None else min(fewest, int(most))


def check_edit(edit: ServiceEdit) -> None:
    """Raise DataError for an edit that no service takes."""
    if edit.traffic is not None:
        if edit.env or edit.settings:
            raise DataError(
                "traffic cannot be changed together with variables or settings",
                cause="Those make a new revision, which may not start; where requests go is then decided by it.",
                next_step="Make two changes.",
            )
        check_traffic(edit.traffic)
    check_changes(edit.env)
    for name, value in edit.settings.items():
        if value is not None and (why := _wrong_setting(name, value)):
            raise _setting_refused(name, why)


def check_settings(service: str, settings: Settings) -> None:
    """Raise DataError for settings that do not go together. `settings` are all that the service would have."""
    fewest, most = settings.get("min_instances"), settings.get("max_instances")
    if fewest is not None and most is not None and fewest > most:
        raise DataError(
            f"{service} would have a minimum of {fewest:g} instances and a maximum of {most:g}",
            cause="Cloud Run refuses a minimum above the maximum.",
            next_step="Lower the minimum, or raise the maximum in the same change.",
            details={"service": service},
        )


def check_traffic(shares: Sequence[Traffic]) -> None:
    """Raise DataError for shares of requests that no service takes."""
    total, lowest = sum(share.percent for share in shares), min((share.percent for share in shares), default=0)
    tags = [share.tag for share in shares if share.tag]
    if lowest < 0:
        raise DataError(f"a revision would get a share of {lowest} %", next_step="Give shares from 0 to 100.")
    if total != ALL_REQUESTS:
        raise DataError(
            f"the shares of requests add up to {total} %, not {ALL_REQUESTS} %", next_step="Correct the shares."
        )
    if len(set(tags)) < len(tags):
        raise DataError("a tag is given to two revisions", next_step="Give each tag to one.")


def _wrong_setting(name: SettingName, value: float) -> str | None:
    if value != int(value):
        return "it takes whole seconds" if name == "timeout" else "it takes whole numbers"
    if value < _LEAST[name]:
        return f"it must be at least {_LEAST[name]}"
    if value > _MOST.get(name, value):
        return f"it must be at most {_MOST[name]:,}"
    return None


def _setting_refused(name: SettingName, why: str) -> DataError:
    return DataError(f"{name.replace('_', ' ')} cannot be set: {why}", details={"setting": name})


def check_changes(changes: Mapping[str, str | None]) -> None:
    """Raise DataError for a variable that no service takes."""
    for name, value in changes.items():
        if why := _wrong_name(name) or _wrong_value(value):
            raise DataError(
                f"the environment variable {name[:80]!r} cannot be set: {why}",
                next_step="Correct it, or leave it out.",
                details={"variable": name[:80]},
            )


def check_count(service: str, count: int) -> None:
    """Raise DataError for more variables than a service takes."""
    if count > MAX_VARIABLES:
        raise DataError(
            f"{service} would have {count:,} environment variables",
            cause=f"A service takes {MAX_VARIABLES:,}.",
            next_step="Remove some.",
        )


def _wrong_name(name: str) -> str | None:
    if not name or "=" in name or "\0" in name:
        return "its name is empty, or has an equals sign or a NUL in it"
    if len(name.encode()) > MAX_BYTES:
        return f"its name is longer than {MAX_BYTES:,} bytes"
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        return "Cloud Run sets it by itself"
    return None


def _wrong_value(value: str | None) -> str | None:
    if value is None:
        return None
    if "\0" in value:
        return "its value has a NUL in it"
    if len(value.encode()) > MAX_BYTES:
        return f"its value is longer than {MAX_BYTES:,} bytes"
    return None
