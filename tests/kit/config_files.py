"""Folders with small configuration files that use every key, to be changed in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.config.check_timeouts import USED
from nbactl.config.loader import FILES, load_config
from nbactl.config.retention import KINDS
from nbactl.errors import ConfigError
from tests.kit.paths import DATA

if TYPE_CHECKING:
    from pathlib import Path

SMALL = DATA / "config"


def small_config(folder: Path) -> Path:
    """Write the small files into `folder`, with the names that the code itself uses at the end, and return it."""
    for name in FILES.values():
        (folder / name).write_text((SMALL / name).read_text())
    with (folder / "timeouts.yaml").open("a") as file:
        file.writelines(
            f"  {name}: {{limit: 60s, why: A reason of ten letters}}\n" for name in sorted(USED["timeouts"])
        )
        file.write("retention:\n")
        file.writelines(f"  {kind}: {{keep: 90d, why: A reason of ten letters}}\n" for kind in KINDS)
    return folder


def edit(folder: Path, file: str, was: str, now: str) -> None:
    """Replace the first `was` in a file, which must be there."""
    text = (folder / file).read_text()
    assert was in text, f"{was!r} is not in {file}"
    (folder / file).write_text(text.replace(was, now, 1))


def problems(folder: Path) -> list[str]:
    """Return the problems of the files in `folder` as text, file names without folder; empty if there are none."""
    try:
        load_config(folder)
    except ConfigError as error:
        return [line.replace(f"{folder}/", "") for line in (error.cause or "").splitlines()]
    return []
