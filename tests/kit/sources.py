"""What tests of the source `path:DIR` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.pipeline.sources import path as path_source

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    import pytest


def parsed_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of every file that is parsed from now on."""
    seen: list[str] = []
    write = path_source._write

    def noted(path: Path, content: bytes, file: BinaryIO) -> str | None:
        seen.append(path.name)
        return write(path, content, file)

    monkeypatch.setattr(path_source, "_write", noted)
    return seen
