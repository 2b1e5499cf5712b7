"""The two streams of a command: data to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from nbactl.cli.show.stream import Color, OutputError, Stream
from nbactl.cli.show.text import Row, Segment, Styled, cell_width
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbactl.errors import NbactlError

_YES = {"y", "yes"}


class Console:
    """What commands write to. Only the renderer and `View.show` write to `out`."""

    def __init__(
        self,
        *,
        color: Color = "auto",
        quiet: bool = False,
        verbosity: int = 0,
        yes: bool = False,
        no_input: bool = False,
        wide: bool = False,
        environ: Mapping[str, str],
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self._stdin = stdin or sys.stdin
        self.out = Stream(stdout or sys.stdout, color, environ, wide=wide)
        self.err = Stream(stderr or sys.stderr, color, environ)
        self.quiet = quiet
        self.verbosity = verbosity
        self.warnings: list[str] = []
        self.has_document = False
        """Whether the JSON document was written though the command failed."""
        self._yes = yes
        self._no_input = no_input
        self._environ = environ
        self._held: list[tuple[Segment, ...]] | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether live progress can be drawn on stderr."""
        return self.err.is_live and not self.quiet

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        key: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Write a table to stdout, and a note if a narrow terminal has no room for some columns.

        Columns in `optional` may be left out, the first named first; where `key` is given, all others may be, the
        last first.
        """
        if key:
            optional = [column for column in reversed(columns) if column not in key]
        hidden = self.out.table(columns, rows, optional=optional)
        if hidden:
            plural = "" if len(hidden) == 1 else "s"
            self.note(Styled(f"{len(hidden)} column{plural} hidden ({', '.join(hidden)}): use -o wide.", "dim"))

    def showing(self, shown: int, total: int, what: str, *, more: str = "") -> None:
        """Note that rows were left out, `Showing 20 of 328 runs.`; `more` says how to see them."""
        if shown < total:
            self.note(Styled(f"Showing {shown:,} of {total:,} {what}.{f' {more}' if more else ''}", "dim"))

    @contextmanager
    def paged(self) -> Iterator[None]:
        """Show what is written to stdout inside in a pager, if the terminal is too small; notes come after it.

        It is too small for lines that are too long with `-o wide` only: other tables fit. Without a terminal, or with
        --no-input, the text is written as it is.
        """
        if not self.out.is_live or self._no_input:
            yield
            return
        from nbactl.cli.show.pager import pager_of, show_paged  # noqa: PLC0415 - few commands page

        self._held = []
        try:
            with self.out.held() as written:
                yield
        finally:
            notes, self._held = self._held, None
            text = written.getvalue()
            pager = pager_of(self._environ)
            lines = text.split("\n")
            too_wide = self.out.wide and any(cell_width(line) > self.out.width for line in lines)
            if pager is not None and (too_wide or len(lines) + len(notes) > self.out.height):
                show_paged(text, pager, self._environ)
            else:
                self.out.write(text)
            self.out.flush()
            for note in notes:
                self._write(*note)

    def print(self, *segments: Segment) -> None:
        """Write a line to stdout."""
        self.out.print(*segments)

    def note(self, *segments: Segment) -> None:
        """Write a message that is not data; silent with --quiet."""
        if not self.quiet:
            self._write(*segments)

    def detail(self, *segments: Segment) -> None:
        """Write a message that only -v shows."""
        if self.verbosity:
            self._write(*segments)

    def warn(self, message: str) -> None:
        """Warn on stderr, and in the `warnings` of the JSON envelope."""
        self.warnings.append(message)
        self._write(Styled("warning: ", "bold yellow"), message)

    def error(self, error: NbactlError) -> None:
        """Write what happened, why, and what to do next."""
        self._hanging(Styled("error: ", "bold red"), error.message, 7)
        problems = error.details.get("problems", ())
        for problem in problems:
            self._problem(problem)
        if error.cause and not problems:
            self._hanging(Styled("  cause: ", "bold"), error.cause, 9)
        if error.next_step:
            self._hanging(Styled("  next:  ", "bold cyan"), error.next_step, 9)

    def confirm(self, question: str, lines: Iterable[str] = ()) -> bool:
        """Ask on stderr, after the lines; `--yes` answers. Raises UsageError where there is no terminal."""
        if self._yes:
            for line in lines if not self.quiet else ():
                self._wrapped(line)
            return True
        for line in lines:  # with --quiet as well: no one answers what they cannot see
            self._wrapped(line)
        if self._no_input or self._stdin is None or not self._stdin.isatty() or not self.err.is_terminal:
            raise UsageError(
                f"confirmation needed: {question}",
                cause="There is no terminal to ask on, or --no-input was given.",
                next_step="Add --yes to go ahead.",
            )
        self.err.print(f"{question} [y/N] ", end="")
        self.err.flush()
        answer = self._stdin.readline()
        if not answer:
            self.err.print()  # the input ended: what follows begins a line
        return answer.strip().lower() in _YES

    def _problem(self, problem: Mapping[str, object]) -> None:
        place = ":".join(str(problem[key]) for key in ("file", "line", "column") if problem.get(key) is not None)
        self._write("  ", Styled(place, "bold"), f": {problem['message']}" if place else str(problem["message"]))
        if problem.get("suggestion"):
            self._write("    ", Styled(str(problem["suggestion"]), "cyan"))

    def _wrapped(self, line: str) -> None:
        indent = len(line) - len(line.lstrip())
        self._hanging(" " * indent, line.lstrip(), indent)

    def _hanging(self, head: Segment, text: str, indent: int) -> None:
        try:
            self.err.print_hanging(head, text=text, indent=indent)
            self.err.flush()
        except OutputError:
            return  # as below

    def _write(self, *segments: Segment) -> None:
        if self._held is not None:
            self._held.append(segments)
            return
        try:
            self.err.print(*segments)
            self.err.flush()
        except OutputError:
            return  # stderr itself is gone: nothing can be shown
