from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbactl import __version__
from nbactl.cli.main import main
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.sentry_server import SentryServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl

_ENVELOPE = {"schema", "ok", "target", "run_id", "data", "warnings", "error"}
_ERROR = {"code", "message", "cause", "next", "retryable"}


@pytest.fixture
def process(tmp_path: Path) -> Nbactl:
    """Start an interpreter for each command, where the start itself is what a test is about."""

    class Runner:
        directory = tmp_path

        def __call__(
            self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
        ) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-W", "error", "-m", "nbactl", *arguments],
                cwd=tmp_path,
                env=environment(env),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    return Runner()


def test_version(process: Nbactl, nbactl: Nbactl) -> None:
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"nbactl {__version__}\n", "")
    assert json.loads(nbactl("--version", "--json").stdout)["data"] == {"version": __version__}


def test_alone_it_shows_its_help(nbactl: Nbactl) -> None:
    done = nbactl()
    assert done.returncode == 0
    assert done.stdout == nbactl("--help").stdout
    assert "Usage: nbactl" in done.stdout


def test_help_as_json_is_one_document_too(nbactl: Nbactl) -> None:
    document = json.loads(nbactl("run", "--help", "-o", "json").stdout)
    assert (document["schema"], document["ok"]) == ("nbactl/run/v1", True)
    assert document["data"]["text"] == nbactl("run", "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "json", "help", "dates"),
        ("help", "dates", "-o", "json"),
        ("help", "-ojson", "dates"),
        ("--json", "help", "dates"),
        ("-o", "table", "help", "dates", "--output=json"),
    ],
)
def test_shared_options_stand_before_or_after_the_command_and_the_later_one_wins(
    nbactl: Nbactl, arguments: tuple[str, ...]
) -> None:
    done = nbactl(*arguments)
    document = json.loads(done.stdout)
    assert set(document) == _ENVELOPE
    assert (document["schema"], document["ok"], document["error"]) == ("nbactl/help/v1", True, None)
    assert done.stderr == ""


def test_jsonl_prints_the_items_of_a_list_one_a_line(nbactl: Nbactl) -> None:
    lines = nbactl("help", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == [
        "options",
        "environment",
        "exit-codes",
        "output",
        "dates",
    ]


@pytest.mark.parametrize(
    ("arguments", "env", "code", "message", "next_step"),
    [
        (("hlep",), {}, 2, "no such command 'nbactl hlep'", "Did you mean 'help'? Run 'nbactl --help'."),
        (("config", "shwo"), {}, 2, "no such command 'nbactl config shwo'", "Did you mean 'show'?"),
        (("help", "--ouptut", "x"), {}, 2, "no such option '--ouptut'", "Did you mean '--output'?"),
        (("help", "--target"), {}, 2, "Option '--target' requires an argument.", "Run 'nbactl help --help'."),
        (("completion", "bsh"), {}, 2, "'shell': 'bsh' is not one of bash, zsh, fish", "Did you mean 'bash'?"),
        (("completion",), {}, 2, "Missing argument", "Run 'nbactl completion --help'."),
        (("config",), {}, 2, "'nbactl config' needs a command: show, validate, explain", "Run 'nbactl config --help'."),
        (("config", "show", "x"), {}, 2, "Got unexpected extra argument(s) (x)", "Run 'nbactl config show --help'."),
        (("help", "--target", "gpc"), {}, 2, "--target: 'gpc' is not one of local, gcp", "Did you mean 'gcp'?"),
        (("help",), {"NBACTL_TARGET": "gpc"}, 2, "NBACTL_TARGET: 'gpc' is not one of local, gcp", "Did you mean"),
        (("run", "phase3", "--date", ""), {}, 2, "'--date' was given an empty value", "Give a value, or leave it out."),
        (("run", "phase3", "--only", ""), {}, 2, "'--only' was given an empty value", "Give a value, or leave it out."),
        (("runs", "list", "--name="), {}, 2, "'--name' was given an empty value", "Give a value, or leave it out."),
        (("runs", "show", ""), {}, 2, "'RUN' was given an empty value", "Give a value, or leave it out."),
        (("runs", "list", "--state-dir", ""), {}, 2, "--state-dir was given an empty value", "Give a path in quotes"),
        (("run", "phase3", "--source", "path:"), {}, 2, "--source path: names no folder", "Write path:DIR"),
        (("help", "exitcodes"), {}, 4, "there is no help topic 'exitcodes'", "Did you mean 'exit-codes'?"),
    ],
)
@pytest.mark.parametrize("asked_for_json", ["flag", "last flag", "variable", "file"])
def test_an_error_says_what_and_what_next_and_is_one_json_document_where_asked_for(  # noqa: PLR0917
    nbactl: Nbactl,
    arguments: tuple[str, ...],
    env: dict[str, str],
    code: int,
    message: str,
    next_step: str,
    asked_for_json: str,
) -> None:
    if asked_for_json == "flag":
        arguments = ("--json", *arguments)
    elif asked_for_json == "last flag":
        *before, last = arguments
        # An option that lacks its value would take the flag for it.
        arguments = (*before, "--output=json", last) if last == "--target" else (*arguments, "--output=json")
    elif asked_for_json == "variable":
        env = {**env, "NBACTL_OUTPUT": "json"}
    else:
        (nbactl.directory / "nbactl.toml").write_text('output = "json"\n')
    done = nbactl(*arguments, env=env)
    document = json.loads(done.stdout)
    assert set(document) == _ENVELOPE
    assert done.returncode == code
    assert document["ok"] is False
    assert document["data"] is None
    assert set(document["error"]) == _ERROR
    assert document["error"]["message"].startswith(message)
    assert document["error"]["next"].startswith(next_step)
    assert done.stderr.startswith(f"error: {message}")
    assert "Traceback" not in done.stderr


def test_an_error_for_a_person_leaves_stdout_empty(nbactl: Nbactl) -> None:
    done = nbactl("hlep")
    assert done.stdout == ""
    assert done.stderr == ("error: no such command 'nbactl hlep'\n  next:  Did you mean 'help'? Run 'nbactl --help'.\n")


_BUG = """
import sys
from nbactl.cli import app
from nbactl.cli.help import parser as broken
def topics(*_):
    raise ZeroDivisionError("one by nothing")
broken.TOPICS = type("Broken", (dict,), {"items": topics})()
from nbactl.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def _with_a_bug(
    directory: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _BUG, *arguments],
        cwd=directory,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_bug_writes_a_crash_report_and_says_where(tmp_path: Path) -> None:
    done = _with_a_bug(tmp_path, "help", "--state-dir", "state", "--json")
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    (report,) = (tmp_path / "state" / "crash").iterdir()
    assert str(report.relative_to(tmp_path)) in done.stderr
    text = report.read_text()
    assert "ZeroDivisionError: one by nothing" in text
    assert "command: nbactl help --state-dir state --json" in text
    assert "Traceback" in text
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "bug"
    assert error["cause"] == "ZeroDivisionError: one by nothing"


def test_inv_17_a_bug_reaches_those_who_are_notified_of_failures(tmp_path: Path) -> None:
    with SentryServer() as server:
        done = _with_a_bug(tmp_path, "help", env={"NBACTL_SENTRY_DSN": server.dsn, "NO_PROXY": "127.0.0.1"})
    assert done.returncode == 70
    [event] = server.events
    assert event["tags"]["what"] == "nbactl help"
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert event["exception"]["values"][-1]["stacktrace"]["frames"]


def test_a_bug_is_reported_even_if_no_channel_takes_it(tmp_path: Path) -> None:
    done = _with_a_bug(tmp_path, "help", env={"NBACTL_SENTRY_DSN": "nonsense"})
    assert done.returncode == 70
    assert "ZeroDivisionError: one by nothing" in done.stderr
    assert "The bug could not be reported: NBACTL_SENTRY_DSN is not the address" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in _with_a_bug(tmp_path, "help", "--debug").stderr


def test_a_crash_report_goes_elsewhere_when_the_state_directory_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    done = _with_a_bug(tmp_path, "help", "--state-dir", "state", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 70
    (report,) = (tmp_path / "nbactl-crash").iterdir()
    assert str(report) in done.stderr


def test_a_bug_is_reported_even_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    (tmp_path / "nbactl-crash").write_text("in the way too")
    done = _with_a_bug(tmp_path, "help", "--state-dir", "state", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 70
    assert "ZeroDivisionError: one by nothing" in done.stderr
    assert "no crash report could be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(command_on_path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            "nbactl help environment | true; echo ${PIPESTATUS[0]}; nbactl hlep --json |& true; echo ${PIPESTATUS[0]}",
        ],
        env=environment({"PATH": f"{command_on_path}:{os.environ['PATH']}"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "0\n2\n"


@pytest.mark.parametrize(
    "arguments", [("help", "dates"), ("--version",), ("--help",), ("help", "--json"), ("hlep", "--json")]
)
def test_a_full_device_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "nbactl", *arguments],
            env=environment(),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert "error: The output could not be written\n  cause: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "hlep" in arguments else 1)


@pytest.mark.parametrize("closed", [1, 2])
def test_closed_streams_end_in_no_traceback(command_on_path: Path, tmp_path: Path, closed: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f"nbactl help dates {closed}>&-; nbactl hlep {closed}>&-; echo done $?"],
        env=environment({"PATH": f"{command_on_path}:{os.environ['PATH']}"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.endswith("done 2\n")


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_names_that_the_terminal_cannot_show_are_no_failure(process: Nbactl, env: dict[str, str]) -> None:
    done = process("help", "Dončić", env=env)
    assert done.returncode == 4
    assert "there is no help topic" in done.stderr
    document = json.loads(process("help", "Dončić", "--json", env=env).stdout)
    assert document["error"]["message"].startswith("there is no help topic 'Don")


def test_words_that_are_no_text_are_no_failure(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"nbactl", b"help", b"\xff\xfe", b"--json"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "not_found"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
def test_data_that_the_terminal_cannot_show_are_written_in_another_form(
    tmp_path: Path, encoding: str, output: str
) -> None:
    words = ["config", "show", "-o", output, "--project", "Dončić\udcff"]
    done = call_nbactl(words, cwd=tmp_path, env=environment(), encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    if output == "json":
        assert json.loads(done.stdout)["data"]["settings"][1]["value"].startswith("Dončić")
    else:
        assert "Don" in done.stdout


def _on_a_terminal(directory: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run nbactl with stdout and stderr on a terminal and return what it shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "nbactl", *arguments],
        env=environment({"TERM": "xterm-256color", **(env or {})}),
        cwd=directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the terminal is closed
            pass
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(
    ("words", "env", "colored"),
    [
        (("help",), {}, True),
        (("--help",), {}, True),
        (("hlep",), {}, True),
        (("help",), {"NO_COLOR": "1"}, False),
        (("--help",), {"NO_COLOR": "1"}, False),
        (("hlep",), {"NO_COLOR": "1"}, False),
        (("help", "--color", "never"), {}, False),
        (("help",), {"TERM": "dumb"}, False),
        (("help",), {"TERM": "dumb", "NBACTL_COLOR": "always"}, True),
        (("help", "--color=always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colors_on_a_terminal(tmp_path: Path, words: tuple[str, ...], env: dict[str, str], *, colored: bool) -> None:
    assert ("\x1b[" in _on_a_terminal(tmp_path, *words, env=env)) is colored


def test_no_colors_where_there_is_no_terminal(nbactl: Nbactl) -> None:
    for arguments in (("help",), ("--help",), ("hlep",)):
        done = nbactl(*arguments, env={"TERM": "xterm-256color"})
        assert "\x1b" not in done.stdout + done.stderr


_SLOW = """
import sys, time
from nbactl.cli.help import parser as slow
def wait(*_):
    print("ready", flush=True)
    time.sleep(300)
slow.TOPICS = type("Slow", (dict,), {"items": wait})()
from nbactl.cli.main import main
sys.exit(main(["help", "-o", "json"]))
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_end_a_command_with_their_code(tmp_path: Path, number: int, code: int, word: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == f"error: {word}\n"
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_a_deleted_working_directory_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["flags", "list"]) == 2
    assert "the working directory was deleted" in capsys.readouterr().err
