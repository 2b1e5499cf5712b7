"""Text files of any provenance: plain or gzip, whole or refused with file and line."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Final

from nbactl.core._support.files import read_regular
from nbactl.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LARGEST: Final = 1024 * 1024 * 1024
"""Bytes of a file, and of what a packed one holds: some 300 seasons of player game logs."""
_CHUNK: Final = 1024 * 1024


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file; raises what `read_content` and `text_of` raise."""
    return text_of(path, read_content(path))


def read_content(path: Path) -> bytes:
    """Return the bytes of a file. Raises DataError for one that cannot be read."""
    try:
        return read_regular(path, _LARGEST)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read", cause=error.strerror or str(error), next_step="Replace it, or move it away."
        ) from error


def text_of(path: Path, content: bytes) -> str:
    """Return the text of a file's bytes, in UTF-8, unpacked if they are gzip by the first two.

    Raises DataError if they are cut short, or not what the file's name says.
    """
    if content.startswith(_GZIP_MAGIC):
        content = _unpacked(path, content)
    elif path.suffix == ".gz":
        raise refused(path, 1, "its name ends in .gz and it does not start as a gzip file does")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(path, line, f"byte {content[error.start]:#04x} is not UTF-8: {error.reason}") from error


def refused(path: Path, line: int, cause: str, *, next_step: str | None = None) -> DataError:
    """Return the error for a file that is not taken at all."""
    return DataError(
        f"{path}:{line} was not taken",
        cause=f"{cause[0].upper()}{cause[1:]}. Nothing of it was used.",
        next_step=next_step or "Replace the file by a whole one, or move it out of the folder; then run again.",
        details={"file": str(path), "line": line},
    )


def _unpacked(path: Path, content: bytes) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            while part := packed.read(_CHUNK):
                size += len(part)
                if size > _LARGEST:
                    raise refused(path, 1, f"what it unpacks to is larger than {_LARGEST >> 20} MiB")
                parts.append(part)
    except (EOFError, OSError, zlib.error) as error:
        raise refused(path, _readable_lines(content) + 1, f"the gzip file is cut short or damaged: {error}") from error
    return b"".join(parts)


def _readable_lines(content: bytes) -> int:
    """Return how many lines a damaged gzip file still gives, to say up to where it is good."""
    unpacker = zlib.decompressobj(wbits=31)
    lines = size = 0
    for start in range(0, len(content), 1024):
        try:
            part = unpacker.decompress(content[start : start + 1024])
        except zlib.error:
            break
        lines += part.count(b"\n")
        size += len(part)
        if size > _LARGEST:
            break
    return lines
