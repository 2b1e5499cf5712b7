"""Text files of any provenance: plain or gzip, whole or refused with file and line."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_GZIP_MAGIC: Final = b"\x1f\x8b"


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, unpacked if it is gzip by its first bytes.

    Raises DataError for a file that cannot be read, is cut short, or is not what its name says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read", cause=str(error)) from error
    if content.startswith(_GZIP_MAGIC):
        content = _unpacked(path, content)
    elif path.suffix == ".gz":
        raise refused(path, 1, "its name ends in .gz and it does not start as a gzip file does")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(path, line, f"byte {content[error.start]:#04x} is no UTF-8: {error.reason}") from error


def refused(path: Path, line: int, cause: str) -> DataError:
    """Return the error for a file that is not taken at all."""
    return DataError(
        f"{path}:{line} was not taken",
        cause=f"{cause[0].upper()}{cause[1:]}. Nothing of it was used.",
        next_step="Replace the file by a whole one, or move it out of the folder; then run again.",
        details={"file": str(path), "line": line},
    )


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        line = _readable_part(content).count(b"\n") + 1
        raise refused(path, line, f"the gzip file is cut short or damaged: {error}") from error


def _readable_part(content: bytes) -> bytes:
    """Return what a damaged gzip file still gives, to tell up to which line it is good."""
    unpacker = zlib.decompressobj(wbits=31)
    parts = []
    for start in range(0, len(content), 1024):
        try:
            parts.append(unpacker.decompress(content[start : start + 1024]))
        except zlib.error:
            break
    return b"".join(parts)
