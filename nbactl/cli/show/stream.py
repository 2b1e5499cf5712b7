"""One output stream: coloured through Rich on a terminal, plain text everywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TextIO

from nbactl.cli.show.text import KEEP_WORDS, Row, Segment, coloured, lay_out, plain_text
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

Color = Literal["auto", "always", "never"]
_MINIMUM_WIDTH = 40
_UNBOUNDED = 10_000
_LEAST_ROOM = 20


class OutputError(NbactlError):
    """The data could not be written to stdout."""

    code = "output"


class Stream:
    """Text to stdout or stderr. A reader that went away (`| head`) is not an error: the rest is dropped."""

    def __init__(self, file: TextIO | None, color: Color, environ: Mapping[str, str], *, wide: bool = False) -> None:
        self._file = file
        self.wide = wide
        """Whether tables show every column, however narrow the terminal is."""
        self._rich: Console | None = None
        self.is_terminal = file is not None and file.isatty()
        dumb = environ.get("TERM") == "dumb"
        self.color = color == "always" or (color == "auto" and self.is_terminal and not dumb)
        self.is_live = self.is_terminal and not dumb and not environ.get("CI")
        """Whether lines already written may be drawn over."""
        self.unicode = file is not None and (file.encoding or "").lower().replace("-", "") == "utf8"
        """Whether glyphs beyond ASCII can be written."""

    @property
    def width(self) -> int:
        """Columns of the terminal; practically unbounded elsewhere, so that nothing is cut for a program."""
        if not self.is_terminal:
            return _UNBOUNDED
        return max(shutil.get_terminal_size().columns, _MINIMUM_WIDTH)

    @property
    def height(self) -> int:
        """Lines of the terminal; practically unbounded elsewhere."""
        return shutil.get_terminal_size().lines if self.is_terminal else _UNBOUNDED

    @property
    def rich(self) -> Console:
        """The Rich console on this stream, for live displays; everything else goes through `print` and `table`."""
        if self._rich is None:
            from rich.console import Console  # noqa: PLC0415 - only a live display needs it

            self._rich = Console(
                file=self._file, force_terminal=self.is_terminal, no_color=not self.color, highlight=False, markup=False
            )
        return self._rich

    def glyph(self, unicode: str, plain: str) -> str:
        """Return the first where the stream can show it, else the second."""
        return unicode if self.unicode else plain

    @property
    def is_open(self) -> bool:
        """Whether someone still reads: False after `| head` has seen enough."""
        return self._file is not None

    def print(self, *segments: Segment, end: str = "\n") -> None:
        """Write a line made of segments; control characters in them are shown, not obeyed."""
        self.write("".join(map(coloured if self.color else plain_text, segments)) + end)

    def print_hanging(self, *head: Segment, text: str, indent: int, width: int | None = None) -> None:
        """Write `head` and then `text`, whose further lines begin at column `indent`; `width` is the terminal's."""
        room = max((width or self.width) - indent, _LEAST_ROOM)
        lines = [piece for line in text.split("\n") for piece in textwrap.wrap(line, room, **KEEP_WORDS) or [""]]
        self.print(*head, lines[0])
        for line in lines[1:]:
            self.print(" " * indent, line)

    def table(self, columns: Sequence[str], rows: Sequence[Row], *, optional: Sequence[str] = ()) -> list[str]:
        """Write aligned columns under a heading; None is an empty cell. Returns the columns that had no room.

        On a terminal too narrow for it the last column is wrapped, and `optional` ones are left out, the first first.
        """
        lines, hidden = lay_out(columns, rows, _UNBOUNDED if self.wide else self.width, optional)
        for line in lines:
            self.print(*line)
        return hidden

    def write(self, text: str) -> None:
        """Write text as it is; data go through `print` or are JSON. Raises OutputError when the device refuses it."""
        self._guarded(lambda file: file.write(text))

    @contextmanager
    def held(self) -> Iterator[StringIO]:
        """Give the text that is written inside instead of writing it."""
        file, text = self._file, StringIO()
        self._file = text
        try:
            yield text
        finally:
            self._file = file

    def flush(self) -> None:
        """Push out what is buffered. Raises OutputError."""
        self._guarded(lambda file: file.flush())

    def _guarded(self, action: Any) -> None:  # noqa: ANN401 - returns whatever the file method returns
        if self._file is None:
            return
        try:
            action(self._file)
        except BrokenPipeError:
            self.abandon()
        except OSError as error:
            self.abandon()
            raise OutputError(
                "The output could not be written",
                cause=error.strerror or str(error),
                next_step="Free space, or send the output elsewhere.",
            ) from error

    def abandon(self) -> None:
        """Drop what is buffered and all that follows."""
        file, self._file = self._file, None
        if file is not None and file in (sys.stdout, sys.stderr):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file.fileno())
            os.close(nowhere)
