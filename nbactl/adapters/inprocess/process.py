"""Child processes that cannot outlive us: each in a session of its own, killed as a group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import IO, TYPE_CHECKING, Final

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
    with contextlib.ExitStack() as pipes:
        life, ours = _pipe(pipes)
        readers, writers = [], []
        for name in ("stdout", "stderr"):
            read_end, write_end = os.pipe()
            writers.append(pipes.enter_context(os.fdopen(write_end, "wb", 0)))
            readers.append(asyncio.ensure_future(_read(read_end, name, on_line)))
        # Not asyncio's own pipes: with them, waiting for the process would wait for every other holder of their ends.
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _GUARD,
            "nbactl-guard",
            *command,
            stdin=life,
            stdout=writers[0],
            stderr=writers[1],
            env={**os.environ, **(environment or {})},
            pass_fds=pass_fds,
            start_new_session=True,
        )
        for end in (life, *writers):
            end.close()
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _terminate(process, grace)
            raise
        finally:
            ours.close()  # the watcher ends, and with it whatever is left of the group
            await _drain(readers, grace)


def _pipe(pipes: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    read_end, write_end = os.pipe()
    return pipes.enter_context(os.fdopen(read_end, "rb", 0)), pipes.enter_context(os.fdopen(write_end, "wb", 0))


async def _read(descriptor: int, name: str, on_line: Callable[[str, str], None]) -> None:
    loop, stream, rest = asyncio.get_running_loop(), asyncio.StreamReader(), b""
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", 0)
    )
    try:
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                on_line(name, line.decode(errors="replace").rstrip("\r"))
    finally:
        if rest:
            on_line(name, rest.decode(errors="replace"))
        transport.close()


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


async def _drain(readers: Sequence[asyncio.Task[None]], grace: float) -> None:
    """Wait for the last lines; a process that left the group may hold the pipe open, so not for ever."""
    _, late = await asyncio.wait(readers, timeout=grace)
    for reader in late:
        reader.cancel()
