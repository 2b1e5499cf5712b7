"""nbactl as a process of its own, without the time that an interpreter takes to load it.

`run_nbactl` has a process with all modules loaded fork itself for each command: a pid, an environment, a folder and an
exit code of its own, and SIGKILL kills it and nothing else. Where a test is about the start of the interpreter itself
(what is loaded, encodings, signals, `-W error`), start `python -m nbactl` instead.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import nbactl
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

_CLIENT: Final = ROOT / "tests/kit/warm_client.py"
_OTHERS: Final = ("duckdb", "google.cloud.firestore_v1.services.firestore.transports.grpc", "sqlglot")
"""What adapters load inside their functions. Loading gRPC is safe: its fork handlers end a child only of a process that
has opened a channel, and the process that forks calls nothing."""
_starting: Final = threading.Lock()
"""Threads that run their first command at once share the process that forks."""


def run_nbactl(
    arguments: list[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float = 100.0
) -> subprocess.CompletedProcess[str]:
    """Run a command as `subprocess.run([python, "-m", "nbactl", *arguments])` would, with its output as text."""
    return _run(["nbactl", *arguments], cwd=cwd, env=env, stdin=stdin, timeout=timeout)


def run_module(
    module: str, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 100.0
) -> subprocess.CompletedProcess[str]:
    """Run a module of the tests as `subprocess.run([python, "-m", module, *arguments], cwd=ROOT)` would."""
    return _run([module, *arguments], cwd=ROOT, env=os.environ if env is None else env, timeout=timeout)


def _run(
    words: list[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float
) -> subprocess.CompletedProcess[str]:
    with _file(stdin) as given, _file() as out, _file() as err, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        with _starting:
            path = _server()
        connection.connect(path)
        program, *arguments = words
        asked = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "files": [0, 1, 2]}
        request = json.dumps(asked if program == "nbactl" else {**asked, "module": program}).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [given.fileno(), out.fileno(), err.fileno()])
        connection.sendall(request)
        answer = connection.makefile("rb")
        pid = int(answer.readline())
        try:
            code = int(answer.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout) from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, code, *texts)


def put_on_path(folder: Path) -> Path:
    """Write an executable `nbactl` for shells into a folder, and return the folder."""
    folder.mkdir(exist_ok=True)
    script = folder / "nbactl"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{_CLIENT}" "{_server()}" "$@"\n')
    script.chmod(0o755)
    return folder


@contextlib.contextmanager
def _file(text: str = "") -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


@functools.cache
def _server() -> str:
    """Start the process that forks, once for each worker; returns the path of its socket."""
    folder = tempfile.mkdtemp(prefix="nbactl-warm-")
    path = str(Path(folder) / "socket")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.kit.warm", path],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def stop() -> None:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            Path(path).unlink()
            Path(folder).rmdir()

    atexit.register(stop)
    return path


def _serve(path: str) -> None:
    """Fork for each connection. Ends with the process that started it."""
    ours = (module.name for module in pkgutil.walk_packages(nbactl.__path__, "nbactl."))
    for name in (*ours, *_OTHERS):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        parent = os.getppid()
        listener.settimeout(5.0)
        while os.getppid() == parent:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listener.close()
                connection.settimeout(None)
                _supervise(connection)
            connection.close()


def _supervise(connection: socket.socket) -> NoReturn:
    """Fork the command, and answer with its pid and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection:
        size, files, _, _ = socket.recv_fds(connection, 4, 16)
        request = json.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(request, files)
        connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: Any, files: list[int]) -> NoReturn:
    """Be the command."""
    from nbactl.cli.main import main  # noqa: PLC0415 - only where it is loaded already

    moved = [fcntl.fcntl(file, fcntl.F_DUPFD, 100) for file in files]  # out of the way of the numbers that they get
    os.closerange(3, 100)
    for file, number in zip(moved, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    # The streams of this process were made for files that can or cannot be rewound: make them for those that came.
    sys.stdin = open(0, encoding=sys.stdin.encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:1] = [request["cwd"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    random.seed()
    sys.argv = ["nbactl", *request["arguments"]]
    code = _run_as_main(request["module"]) if "module" in request else main()
    # As an interpreter ends, but for taking apart all that was loaded, which takes longer than most commands.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run_as_main(module: str) -> int:
    """Return the exit code that an interpreter would end with."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except Exception:  # noqa: BLE001 - what a module may raise is shown, as an interpreter would
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
