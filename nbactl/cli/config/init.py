"""Files to start a configuration from: the three YAML files that come with nbactl, comments included."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.files import read_regular
from nbactl.errors import AlreadyExistsError, UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container

_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a file that is compared; a larger one is certainly another."""


@dataclass(frozen=True, slots=True)
class InitRequest:
    """Where to write the files; with `force` a file that differs is replaced, and kept under another name."""

    folder: Path
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class InitialFile:
    """A file of the configuration. `kept_as` is where the file is that was there before, if it was replaced."""

    path: Path
    state: Literal["written", "replaced", "unchanged"]
    kept_as: Path | None = None


@dataclass(frozen=True, slots=True)
class ConfigInit:
    """The files, in the order workflows, timeouts, flags."""

    request: InitRequest
    files: tuple[InitialFile, ...]

    @property
    def changed(self) -> tuple[InitialFile, ...]:
        """Those that were written, or with `dry_run` would be."""
        return tuple(file for file in self.files if file.state != "unchanged")


def init_config(_: Container, request: InitRequest) -> ConfigInit:
    """Write the three files into the folder, which is made if it is not there.

    Raises AlreadyExistsError if a file differs from the one that comes with nbactl and `force` is not set; nothing is
    written then. Raises UsageError for a folder that is a file.
    """
    from nbactl.config.loader import FILES, shipped_config_dir  # noqa: PLC0415 - brings YAML

    folder = request.folder
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", next_step="Name a folder.")
    contents = {folder / name: (shipped_config_dir() / name).read_bytes() for name in FILES.values()}
    plan = tuple(_planned(path, content) for path, content in contents.items())
    replaced = [file.path for file in plan if file.state == "replaced"]
    if replaced and not request.force:
        raise AlreadyExistsError(
            f"{', '.join(path.name for path in replaced)} in {folder} differs from what nbactl brings",
            cause="It was edited, or written by another version. Nothing was changed.",
            next_step="Name another folder, or add --force: the present files are kept as NAME.bak.",
        )
    if not request.dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        for file in plan:
            if file.kept_as is not None:
                os.link(file.path, file.kept_as)  # fails rather than replace a file that was made meanwhile
            if file.state != "unchanged":
                _write(file.path, contents[file.path])
    return ConfigInit(request, plan)


def _planned(path: Path, content: bytes) -> InitialFile:
    if not os.path.lexists(path):
        return InitialFile(path, "written")
    if path.exists() and path.stat().st_size <= _LIMIT and read_regular(path, _LIMIT) == content:
        return InitialFile(path, "unchanged")
    return InitialFile(path, "replaced", _unused(path))


def _unused(path: Path) -> Path:
    """Return a name for the present file that no other file has: NAME.bak, NAME.bak2 and so on."""
    kept, number = path.with_name(f"{path.name}.bak"), 1
    while os.path.lexists(kept):
        number += 1
        kept = path.with_name(f"{path.name}.bak{number}")
    return kept


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
