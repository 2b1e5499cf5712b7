"""Where every error ends: parse, call, and turn whatever happens into a message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import typer

from nbactl.cli import app
from nbactl.cli.session import Session
from nbactl.cli.show.render import render_error
from nbactl.cli.show.stream import OutputError
from nbactl.cli.signals import SignalledError, stoppable
from nbactl.core._support.faults import arm_from_environment
from nbactl.core._support.names import closest
from nbactl.errors import InterruptedRunError, NbactlError, NotAuthorisedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


_NEVER_SUGGESTED: Final = {"--yes", "--force"}
"""Options that an operator must think of, not be talked into."""


def as_usage_error(error: typer.TyperException, command: str) -> UsageError:
    """Return the error as ours, with a suggestion for a misspelt command or option.

    `command` is the command line's, `nbactl runs list`: not every error of Typer knows it.
    """
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else command
    message = error.format_message()
    meant = None
    if type(error).__name__ == "NoArgsIsHelpError" or message == "Missing command.":
        verbs = ", ".join(context.command.commands)
        return UsageError(f"'{path}' needs a command: {verbs}", next_step=f"Run '{path} --help'.")
    if (option := getattr(error, "option_name", None)) and type(error).__name__ == "NoSuchOption":
        message = f"no such option '{option}'"
        by_name = {name.lstrip("-"): name for name in _options(context)}
        meant = by_name.get(closest(option.lstrip("-"), by_name) or "")
    elif message.startswith("No such command") and context is not None:
        name = message.split("'")[1]
        message = f"no such command '{path} {name}'"
        meant = closest(name, context.command.commands)
    help_line = f"Run '{path} --help'."
    return UsageError(message, next_step=f"Did you mean '{meant}'? {help_line}" if meant else help_line)


def _options(context: Any) -> list[str]:
    names = [name for parameter in context.command.get_params(context) for name in parameter.opts]
    return [name for name in names if name not in _NEVER_SUGGESTED]


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    _tolerate_any_encoding()
    session = Session(argv, os.environ)
    if shell := os.environ.get("_NBACTL_COMPLETE"):
        from nbactl.cli.completion.shells import answer  # noqa: PLC0415 - only a shell asks for it

        return answer(session, shell, argv)
    with stoppable():
        try:
            return _guarded(session)
        except SignalledError as signalled:  # a second one, while the first was being reported
            return signalled.exit_code


def _guarded(session: Session) -> int:
    try:
        arm_from_environment(session.environ.get("NBACTL_FAULTS", ""))
        with closing(session):
            code = app.build().main(list(session.argv), prog_name="nbactl", standalone_mode=False, obj=session)
    except typer.TyperException as error:
        return _report(session, as_usage_error(error, session.command_line))
    except typer.Abort:
        return _report(session, InterruptedRunError("interrupted"))
    except SignalledError as signalled:
        step = "\n".join(getattr(signalled, "__notes__", ())) or None
        word = "interrupted" if signalled.name == "SIGINT" else "terminated"
        _report(session, InterruptedRunError(word, next_step=step))
        return signalled.exit_code
    except NbactlError as error:
        _show_traceback(session, error)
        return _report(session, error)
    except Exception as error:  # noqa: BLE001 - the process boundary
        return _unexpected(session, error)
    return code if isinstance(code, int) else 0


def _unexpected(session: Session, error: Exception) -> int:
    """Report what the system refused as an error, and everything else as a bug with a crash report."""
    _show_traceback(session, error)
    if isinstance(error, FileNotFoundError) and not _has_working_directory():
        step = "Change to a directory that exists, and run the command again."
        return _report(session, UsageError("the working directory was deleted", next_step=step))
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        return _report(session, _as_system_error(error))
    from nbactl.cli.crash import report_crash  # noqa: PLC0415 - only a bug needs it

    settings = session.settings_for_errors()
    bug = report_crash(error, session.argv, settings.origins, settings.state_dir)
    _notify_sinks(session, error)
    return _report(session, bug)


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - whether it is there
    except FileNotFoundError:
        return False
    return True


_SYSTEM: Final = {
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP), UsageError),
    **dict.fromkeys((errno.EACCES, errno.EPERM), NotAuthorisedError),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE), UnavailableError),
}
"""What the system refuses because of a name, a right or a device, and not because of a bug."""


def _as_system_error(error: OSError) -> NbactlError:
    place = f"{error.filename}: " if error.filename is not None else ""
    return _SYSTEM[error.errno or 0](
        f"{place}{(error.strerror or str(error)).lower()}",
        next_step="Choose another file or folder, or free the one that it names.",
    )


def _report(session: Session, error: NbactlError) -> int:
    console, settings = session.console_for_errors(), session.settings_for_errors()
    try:
        render_error(console, error, command=session.command, target=settings.target, output=settings.output)
    except OutputError as refusal:
        console.error(refusal)
    return error.exit_code


def _show_traceback(session: Session, error: BaseException) -> None:
    if session.settings_for_errors().debug:
        import traceback  # noqa: PLC0415 - few errors show it

        session.console_for_errors().err.print("".join(traceback.format_exception(error)), end="")


def _notify_sinks(session: Session, error: Exception) -> None:
    """Report a bug to the sinks of failures; if that fails too, the crash report is still there."""
    from nbactl.bootstrap import Container  # noqa: PLC0415 - only a bug needs it

    try:
        with Container(session.settings_for_errors(), environ=session.environ) as app:
            app.failures.report(error, session.command_line)
    except Exception as refusal:  # noqa: BLE001 - the process boundary: the bug itself is reported
        session.console_for_errors().note(f"The bug could not be reported: {refusal}")


def _tolerate_any_encoding() -> None:
    """Never fail on a character that the terminal, or a C locale, cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
