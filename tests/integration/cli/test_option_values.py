"""No value of any option or argument of any command ends in a crash (exit 70)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.app import build
from nbactl.cli.frame import Group, walk
from nbactl.cli.options import PANEL
from nbactl.errors import EXIT_CODES
from tests.kit.called import call_nbactl
from tests.kit.small_project import DATE, project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.small_project import Project

_DATES = (
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2025-02-30",
    "1946-10-31",
    "2200-01-01",
    DATE,
    "latest",
    "tomorrow",
)
_TIMES = ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "25:99", "2025-01-06T00:00:00", "07:30")
_NUMBERS = (
    "-1",
    "0",
    "1e400",
    "-1e400",
    "nan",
    "inf",
    "0x10",
    "9" * 400,
    "9" * 5000,
    "-" + "9" * 30,
    "100.0000001",
    "1/0",
)
_DURATIONS = ("9" * 20 + "d", "9" * 400 + "s", "36501d", "36500d", "0s", "1ms", "1d1h", "1e-400s")
_TEXTS = ("", "\udcff\udcfe", "a\x1b[2Jb", "x" * 5000, "∞", "../../etc", "[bold]", "%s{}", "--", "a/b", ".", "*")
_SOURCES = ("path:/dev/zero", "path:.", "path:", "nope:x", "sample")
VALUES = (*_DATES, *_TIMES, *_NUMBERS, *_DURATIONS, *_TEXTS, *_SOURCES)
_EACH = 3
"""Values tried of each option in one run of the tests: which ones is drawn."""
_LEAVES = [(context.command_path, command) for command, context in walk(build()) if not isinstance(command, Group)]
_SLOW = {"nbactl demo"}
"""What it writes takes as long whatever its folder is called."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project(tmp_path_factory.mktemp("values") / "project")
    made.run("run", "mixed", "--date", DATE, code=3)
    return made


def calls(path: str, command: Any, rng: Random) -> Iterator[list[str]]:
    """Yield command lines in which one option or argument has a drawn value."""
    own = [parameter for parameter in command.params if not getattr(parameter, "is_flag", False)]
    if path != "nbactl runs list":  # the shared options are the same everywhere
        own = [parameter for parameter in own if parameter.rich_help_panel != PANEL]
    names = {name for parameter in command.params for name in parameter.opts}
    dry = ["--dry-run"] if "--dry-run" in names else []
    for parameter in own:
        needed = [other for other in own if other.required and other.param_type_name == "argument"]
        others = ["mixed" for other in needed if other is not parameter]
        for value in rng.sample(VALUES, _EACH):
            given = [value] if parameter.param_type_name == "argument" else [f"{parameter.opts[0]}={value}"]
            end = ["--"] if given[0].startswith("-") and given == [value] else []
            yield [*path.split()[1:], *dry, "--no-input", *others, *end, *given]


@pytest.mark.parametrize(
    ("path", "command"),
    [leaf for leaf in _LEAVES if leaf[0] not in _SLOW],
    ids=lambda leaf: leaf if isinstance(leaf, str) else "",
)
def test_a_value_of_any_kind_is_an_answer_or_an_error_never_a_crash(path: str, command: Any, here: Project) -> None:
    seed = Random().randrange(10**9)
    for arguments in calls(path, command, Random(seed)):
        done = call_nbactl(arguments, cwd=here.folder, env=here.environment)
        assert done.returncode in EXIT_CODES, (seed, arguments, done.stderr[-2000:])
        assert done.returncode != 70, (seed, arguments, done.stderr[-2000:])
        assert "\x1b" not in done.stdout + done.stderr, (seed, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("outbox", "list", "--limit=" + "9" * 300),
        ("schedule", "tick", "--dry-run", "--at=9999-12-31T23:59:59-14:00"),
        ("run", "phase1", "--source=path:/dev/zero"),
        ("flags", "check", "9" * 400),
        ("runs", "list", "--state-dir=" + "x" * 5000),
        ("runs", "list", "--since=99999999999999999999d"),
        ("runs", "list", "--since=9999-12-31"),
        ("run", "mixed", "--dry-run", "--from=0001-01-01"),
        ("run", "mixed", "--dry-run", "--timeout=1e400d"),
        ("run", "\udcff", "--dry-run"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("ascii", "replace").decode(),
)
def test_a_value_that_once_crashed_is_refused(arguments: tuple[str, ...], here: Project) -> None:
    done = call_nbactl(list(arguments), cwd=here.folder, env=here.environment)
    assert done.returncode in (2, 4), done.stderr
    assert "next:" in done.stderr
