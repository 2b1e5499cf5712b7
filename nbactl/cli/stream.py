"""One output stream: coloured through Rich on a terminal, plain text everywhere else."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

Color = Literal["auto", "always", "never"]
Style = str
"""A Rich style: `bold`, `dim`, `red`, `bold green`, …"""

_MINIMUM_WIDTH = 40
_UNBOUNDED = 10_000


class Styled(NamedTuple):
    """A piece of text and how it looks where colours are shown."""

    text: str
    style: Style


Segment = str | Styled


class OutputError(NbactlError):
    """The data could not be written to stdout."""

    code = "output"


class Stream:
    """Text to stdout or stderr. A reader that went away (`| head`) is no error: the rest is dropped."""

    def __init__(self, file: TextIO | None, color: Color, environ: Mapping[str, str]) -> None:
        self._file = file
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
    def rich(self) -> Console:
        """The Rich console on this stream, for live displays; everything else goes through `print` and `table`."""
        if self._rich is None:
            self._rich = self._console(self._file, terminal=self.is_terminal)
        return self._rich

    def glyph(self, unicode: str, plain: str) -> str:
        """Return the first where the stream can show it, else the second."""
        return unicode if self.unicode else plain

    def print(self, *segments: Segment, end: str = "\n") -> None:
        """Write a line made of segments."""
        if self.color:
            from rich.text import Text  # noqa: PLC0415 - only where there are colours

            text = Text.assemble(*((s.text, s.style) if isinstance(s, Styled) else s for s in segments))
            self.write(self._rendered(text) + end)
        else:
            self.write("".join(s.text if isinstance(s, Styled) else s for s in segments) + end)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Segment | None]]) -> None:
        """Write aligned columns under a heading; None is an empty cell, numbers are given as text."""
        if self.color or self.is_terminal:
            self._rich_table(columns, rows)
        else:
            self._plain_table(columns, rows)

    def write(self, text: str) -> None:
        """Write text as it is. Raises OutputError when the device refuses it."""
        self._guarded(lambda file: file.write(text))

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

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[Segment | None]]) -> None:
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)
        for index, column in enumerate(columns):
            numeric = _is_numeric(rows, index)
            table.add_column(
                column.upper(), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or index == 0
            )
        for row in rows:
            table.add_row(*(Text(c.text, style=c.style) if isinstance(c, Styled) else Text(c or "") for c in row))
        self.write("".join(line.rstrip() + "\n" for line in self._rendered(table).splitlines()))

    def _rendered(self, renderable: RenderableType) -> str:
        console = self._console(io.StringIO(), terminal=self.color)
        with console.capture() as capture:
            console.print(renderable, end="", soft_wrap=not hasattr(renderable, "columns"))
        return capture.get()

    def _console(self, file: TextIO | None, *, terminal: bool) -> Console:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

        return Console(
            file=file,
            force_terminal=terminal,
            no_color=not self.color,
            color_system="standard" if self.color else None,
            width=self.width,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def _plain_table(self, columns: Sequence[str], rows: Sequence[Sequence[Segment | None]]) -> None:
        lines = [[column.upper() for column in columns]]
        lines += [[(c.text if isinstance(c, Styled) else c or "") for c in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        numeric = [_is_numeric(rows, index) for index in range(len(columns))]
        for line in lines:
            cells = zip(line, widths, numeric, strict=True)
            self.write("  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in cells).rstrip() + "\n")


def _is_numeric(rows: Sequence[Sequence[Segment | None]], index: int) -> bool:
    cells = [row[index] for row in rows]
    texts = [cell.text if isinstance(cell, Styled) else cell for cell in cells if cell]
    return bool(texts) and all(text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit() for text in texts)
