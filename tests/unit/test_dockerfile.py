"""The Dockerfile, as far as it can be checked without Docker: what is copied is there, and nothing runs as root."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import tomllib

from nbactl.cli.app import build
from nbactl.cli.frame import find
from tests.kit.paths import ROOT

TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
LINES = [line.strip().partition(" ")[::2] for line in TEXT.splitlines() if line.strip() and not line.startswith("#")]
STAGES = [index for index, (word, _) in enumerate(LINES) if word == "FROM"]
FINAL = LINES[STAGES[-1] :]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def environment() -> dict[str, str]:
    pairs = [word.partition("=") for key, rest in FINAL if key == "ENV" for word in shlex.split(rest)]
    return {name: value for name, _, value in pairs}


def test_the_images_are_pinned_to_a_python_that_is_supported_and_slim() -> None:
    for _, rest in (LINES[index] for index in STAGES):
        found = re.fullmatch(r"python:(3\.\d+)-slim( AS \w+)?", rest)
        assert found is not None
        assert f"Programming Language :: Python :: {found[1]}" in PROJECT["classifiers"]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [shlex.split(rest)[:-1] for word, rest in LINES if word == "COPY" and not rest.startswith("--from")]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
        assert any(fnmatch.fnmatch(name, pattern) for pattern in kept), name
    assert not any((ROOT / name).is_dir() and name not in ("nbactl", "docs") for name in kept)


def test_what_the_package_needs_to_be_built_is_copied() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {name for word, rest in LINES if word == "COPY" for name in shlex.split(rest)[:-1]}
    assert {PROJECT["readme"], *wheel["packages"], *wheel["force-include"]} <= copied


def test_the_extras_that_are_installed_exist() -> None:
    found = re.search(r"'\.\[([\w,]+)\]'", TEXT)
    assert found is not None
    assert set(found[1].split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_service_is_not_root_and_nothing_is_run_or_written_after_that() -> None:
    words = [word for word, _ in FINAL]
    user = dict(FINAL)["USER"]
    assert user.isdigit()
    assert int(user) > 0
    assert words[words.index("USER") :] == ["USER", "CMD"]


def test_everything_that_is_written_is_in_a_folder_that_can_be_mounted() -> None:
    given = environment()
    for name in ("HOME", "XDG_CACHE_HOME", "NBACTL_STATE_DIR"):
        assert given[name].split("/")[1] == "tmp", name
    assert given["PYTHONDONTWRITEBYTECODE"] == "1"
    assert dict(FINAL)["WORKDIR"] == "/tmp"  # noqa: S108 - what the file says


def test_the_command_is_one_that_exists_and_gets_the_signals_itself() -> None:
    shell, flag, line = json.loads(dict(FINAL)["CMD"])
    assert (shell, flag) == ("/bin/sh", "-c")
    run, name, *words = shlex.split(line)
    assert (run, name) == ("exec", "nbactl")
    assert find(build(), words[:-1]) is not None
    assert words[-1] == "$SERVICE"
