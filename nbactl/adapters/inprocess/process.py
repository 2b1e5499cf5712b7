"""Child processes that cannot outlive us: each in a session of its own, killed as a group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Runs the command with a watcher in its process group. The watcher reads our end of a pipe: it gets end-of-file when
# we close it or die, by SIGKILL too, and then kills the group. PR_SET_PDEATHSIG would reach the direct child only, and
# is tied to the thread that started it.
_GUARD: Final = """
exec 3<&0
(trap "" TERM INT HUP; read -r _; kill -KILL 0) <&3 >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
_CHUNK: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 20


async def run_process(
    command: Sequence[str],
    *,
    on_line: Callable[[str, str], None],
    grace: float,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a command to its end and return its exit code, negative for the signal that killed it.

    `on_line` is given `stdout` or `stderr` and each line. When the coroutine is cancelled, the process group gets
    SIGTERM, and SIGKILL after `grace` seconds. Raises OSError if the command cannot be started.
    """
    read_end, write_end = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _GUARD,
            "nbactl-guard",
            *command,
            stdin=read_end,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stderr is not None  # noqa: S101
    readers = [
        asyncio.ensure_future(_read(process.stdout, "stdout", on_line)),
        asyncio.ensure_future(_read(process.stderr, "stderr", on_line)),
    ]
    try:
        await process.wait()
    except asyncio.CancelledError:
        await _terminate(process, grace)
        raise
    finally:
        os.close(write_end)  # the watcher ends, and with it whatever is left of the group
        await _drain(readers, grace)
    assert process.returncode is not None  # noqa: S101 - it has been waited for
    return process.returncode


async def _read(stream: asyncio.StreamReader, name: str, on_line: Callable[[str, str], None]) -> None:
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            on_line(name, line.decode(errors="replace").rstrip("\r"))
    if rest:
        on_line(name, rest.decode(errors="replace"))


async def _terminate(process: asyncio.subprocess.Process, grace: float) -> None:
    _signal_group(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        _signal_group(process, signal.SIGKILL)
        await process.wait()


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _drain(readers: Sequence[asyncio.Task[None]], patience: float) -> None:
    """Wait for the last lines; a process that left the group may hold the pipe open, so not for ever."""
    _, late = await asyncio.wait(readers, timeout=patience)
    for reader in late:
        reader.cancel()
