"""What every engine of the services port refuses before anything is sent.

The names and limits are those of Cloud Run's container contract (https://cloud.google.com/run/docs/container-contract,
https://cloud.google.com/run/quotas).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED: Final = frozenset(
    {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE"}
)
RESERVED_PREFIX: Final = "X_GOOGLE_"
MAX_BYTES: Final = 32_768
MAX_VARIABLES: Final = 1_000


def check_changes(changes: Mapping[str, str | None]) -> None:
    """Raise DataError for a variable that no service takes."""
    for name, value in changes.items():
        if why := _wrong_name(name) or _wrong_value(value):
            raise DataError(
                f"the environment variable {name[:80]!r} cannot be set: {why}",
                next_step="Correct it in flags.yaml, or leave it out.",
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
