"""What the engine promises whatever the rules are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from nbactl.checks.code.baseline import baseline_text, fingerprint, load_baseline, split_known
from nbactl.checks.code.engine import Checked, check_files
from nbactl.checks.code.files import MAX_BYTES
from nbactl.checks.code.fixing import fix_all
from nbactl.checks.code.ruff import find_ruff
from nbactl.errors import ConfigError, NotFoundError, UsageError

FAULT = "def load():\n    try:\n        return read()\n    except Exception:\n        return None\n"
RULE = ("swallowed-exception",)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


def shown(checked: Checked) -> list[tuple[str, int, str]]:
    return [(finding.path.name, finding.line, finding.rule) for finding in checked.findings]


def test_copies_are_looked_at_once_and_reported_with_every_path(code: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (code / name).write_text(FAULT)
    checked = check_files([code], RULE)
    assert (checked.files, checked.contents, checked.analysed) == (3, 1, 1)
    assert shown(checked) == [(name, 4, *RULE) for name in ("a.py", "b.py", "c.py")]


def test_what_did_not_change_is_not_looked_at_again(code: Path) -> None:
    (code / "a.py").write_text(FAULT)
    (code / "b.py").write_text("x = 1\n")
    first = check_files([code])
    (code / "b.py").write_text("x = 2\n")
    second = check_files([code])
    assert (first.analysed, second.analysed) == (2, 1)
    assert second.findings == first.findings != []


def test_a_changed_rule_makes_the_cache_old(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "a.py").write_text(FAULT)
    check_files([code])
    monkeypatch.setattr("nbactl.checks.code.cache._code", lambda: [("rules/another.py", 1)])
    assert check_files([code]).analysed == 1


@pytest.mark.parametrize("content", ["", "{", '"key"\n{"0": 1}', "[]", "another key"])
def test_a_damaged_cache_is_no_cache(code: Path, tmp_path: Path, content: str) -> None:
    (code / "a.py").write_text(FAULT)
    first = check_files([code])
    for file in (tmp_path / "cache" / "nbactl").iterdir():
        key = file.read_text().partition("\n")[0]
        if content == "another key":
            empty = [[], [], False] if "code" in file.name else []
            stored = json.loads(file.read_text().partition("\n")[2])
            file.write_text(f'"another key"\n{json.dumps(dict.fromkeys(stored, empty))}')
        else:
            file.write_text(content if content != "[]" else f"{key}\n[]")
    second = check_files([code])
    assert second.analysed == 1
    assert second.findings == first.findings


def test_a_cache_that_cannot_be_written_costs_time_only(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "a.py").write_text(FAULT)
    (code / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(code / "file"))
    assert shown(check_files([code], RULE)) == [("a.py", 4, *RULE)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"print 'Python 2'\n", "Missing parentheses"),
        (b"x = 1\0\n", "null byte"),
        (b"(" * 500 + b")" * 500, "too many nested parentheses"),
        (b"x = " + b"-" * 5000 + b"1\n", ""),
        (b"if x:\n" + b"".join(b" " * depth + b"if x:\n" for depth in range(1, 120)), ""),
        (b"x = '\xff'\n", "utf-8"),
        (b"# coding: no-such\nx = 1\n", "no-such"),
        (b'{"cells": [], "metadata": {"kernelspec": null}, \n', ""),
        (b"#" * (MAX_BYTES + 1), "larger than"),
        (b"<<<<<<< HEAD\nx = 1\n", ""),
    ],
)
@pytest.mark.parametrize("processes", [None, 1])
def test_what_cannot_be_parsed_is_a_finding(code: Path, content: bytes, why: str, processes: int | None) -> None:
    (code / "bad.py").write_bytes(content)
    (code / "good.py").write_text(FAULT)
    checked = check_files([code], RULE, processes=processes)
    assert {name: rule for name, _, rule in shown(checked)} == {"bad.py": "not-parsed", "good.py": RULE[0]}
    assert why.lower() in checked.findings[0].message.lower()


@pytest.mark.parametrize(
    "content",
    [
        FAULT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + FAULT.encode(),
        FAULT.replace("    ", "\t").encode(),
        b"# coding: latin-1\nx = '\xe9'\n" + FAULT.encode(),
        b"x = (" + b" + ".join([b"'a'"] * 4000) + b")\n" + FAULT.encode(),
        b"x = '\\d'\n" + FAULT.encode(),
    ],
    ids=["crlf", "bom", "tabs", "latin-1", "long chain", "warning"],
)
def test_unusual_files_are_looked_at(code: Path, content: bytes) -> None:
    (code / "a.py").write_bytes(content)
    checked = check_files([code], RULE)
    rules = [rule for _, _, rule in shown(checked)]
    assert rules in ([*RULE], ["not-parsed"])  # the parser of some versions refuses the long chain
    assert rules == [*RULE] or b"+" in content


def test_a_file_that_kills_a_process_is_a_finding_and_the_rest_is_looked_at(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (code / f"{number}.py").write_text(f"x = {number}\n{FAULT}")
    script = code / "python"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "from nbactl.checks.code import content, worker\n"
        "real = worker.analyse\n"
        "worker.analyse = lambda text, *rest: os.abort() if b'x = 3' in text else real(text, *rest)\n"
        "worker.main()\n"
    )
    script.chmod(0o755)
    (code / "ruff").symlink_to(find_ruff())
    real = sys.executable
    monkeypatch.setattr(sys, "executable", str(script))
    checked = check_files([code], RULE, processes=1)
    assert shown(checked) == [
        (f"{number}.py", *((1, "not-parsed") if number == 3 else (5, *RULE))) for number in range(5)
    ]
    monkeypatch.setattr(sys, "executable", real)
    assert "not-parsed" not in check_files([code], RULE, processes=1).summary, "a crash must not be kept"


def test_an_interrupt_ends_the_processes(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "a.py").write_text(FAULT)
    pid = tmp_path / "pid"
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid} && exec sleep 100\n")
    script.chmod(0o755)
    (tmp_path / "ruff").symlink_to(find_ruff())
    monkeypatch.setattr(sys, "executable", str(script))

    def interrupt() -> None:
        while not pid.exists():
            threading.Event().wait(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    other = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a worker of pytest-xdist ignores it
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            check_files([code], RULE, processes=1)
    finally:
        signal.signal(signal.SIGINT, before)
    other.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_folder_with_modules_of_the_standard_library_is_safe(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json.py", "ast.py", "types.py", "nbactl.py"):
        (code / name).write_text("raise SystemExit('run')\n")
    (code / "a.py").write_text(FAULT)
    monkeypatch.chdir(code)
    assert shown(check_files([Path()], RULE, processes=2)) == [("a.py", 4, *RULE)]


def test_every_core_finds_the_same(code: Path) -> None:
    for number in range(12):
        (code / f"{number}.py").write_text(f"x = {number}\n" * number + FAULT)
    alone = check_files([code], RULE)
    assert check_files([code], RULE, processes=3).findings == alone.findings


def test_hidden_folders_and_environments_are_left_out(code: Path) -> None:
    left_out = (".venv", ".git", "env", "node_modules", "lib/site-packages")
    looked_at = {".cloudbuild", ".github/workflows", "pkg"}
    for name in (*left_out, *looked_at):
        (code / name).mkdir(parents=True)
        (code / name / "a.py").write_text(FAULT)
    (code / "env" / "pyvenv.cfg").write_text("")
    found = {str(finding.path.parent.relative_to(code)) for finding in check_files([code], RULE).findings}
    assert found == looked_at


def test_nothing_to_look_at_is_an_error(code: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing was searched"):
        check_files([code])
    with pytest.raises(NotFoundError, match="there is no"):
        check_files([code / "missing"])


def test_an_unknown_rule_is_refused_with_the_closest(code: Path) -> None:
    with pytest.raises(UsageError, match="no rule 'bq-no-timeuot'") as caught:
        check_files([code], ["bq-no-timeuot"])
    assert "bq-no-timeout" in str(caught.value.next_step)


def test_without_ruff_the_error_says_how_to_install_it(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "a.py").write_text(FAULT)
    monkeypatch.setattr(sys, "executable", str(code / "python"))
    monkeypatch.setenv("PATH", str(code))
    with pytest.raises(UsageError, match="ruff is not installed") as caught:
        check_files([code])
    assert "pip install 'nbactl[check]'" in str(caught.value.next_step)
    assert check_files([code], ["bq-no-timeout"]).findings == []


def test_findings_of_ruff_come_through_links_and_odd_names(code: Path, tmp_path: Path) -> None:
    (code / "@a é\t[1].py").write_text("try:\n    work()\nexcept:\n    work()\n")
    (tmp_path / "link").symlink_to(code)
    found = check_files([tmp_path / "link" / ".." / "link"], ["bare-except"])
    assert shown(found) == [("@a é\t[1].py", 3, "bare-except")]


def test_some_rules_do_not_hold_for_tests(code: Path) -> None:
    (code / "test_a.py").write_text(FAULT + "try:\n    work()\nexcept:\n    pass\n")
    assert shown(check_files([code])) == [("test_a.py", 8, "bare-except")]


# --- comments ---------------------------------------------------------------------------------------------------------


def ignored(comment: str, *, above: bool = False) -> str:
    lines = FAULT.splitlines()
    if above:
        lines.insert(3, f"    {comment}")
    else:
        lines[3] += f"  {comment}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("above", [False, True])
def test_a_comment_with_a_reason_ignores(code: Path, *, above: bool) -> None:
    (code / "a.py").write_text(ignored("# nbactl: ignore[swallowed-exception] None is an answer here", above=above))
    assert shown(check_files([code], RULE)) == []


@pytest.mark.parametrize(
    ("comment", "rules"),
    [
        ("# nbactl: ignore[swallowed-exception]", {"invalid-ignore", *RULE}),
        ("# nbactl: ignore because", {"invalid-ignore", *RULE}),
        ("# nbactl: ignore[swallowed] because", {"invalid-ignore", *RULE}),
        ("# nbactl: ignore[utc-game-date] because", {"unused-ignore", *RULE}),
        ("# nbactl: ignore[swallowed-exception, utc-game-date] because", {"unused-ignore"}),
    ],
)
def test_a_comment_that_ignores_nothing_is_a_finding(code: Path, comment: str, rules: set[str]) -> None:
    (code / "a.py").write_text(ignored(comment))
    assert {rule for _, _, rule in shown(check_files([code], [*RULE, "utc-game-date"]))} == rules


def test_a_comment_for_a_rule_that_is_not_asked_is_not_unused(code: Path) -> None:
    (code / "a.py").write_text(ignored("# nbactl: ignore[swallowed-exception] because"))
    assert shown(check_files([code], ["utc-game-date"])) == []


def test_a_comment_may_stand_behind_the_last_line_of_a_call(code: Path) -> None:
    (code / "a.py").write_text(
        "connect(\n    port,\n    timeout=1.0,\n)  # nbactl: ignore[hardcoded-timeout] loopback\n"
    )
    assert shown(check_files([code], ["hardcoded-timeout"])) == []


def test_a_text_that_looks_like_a_comment_is_none(code: Path) -> None:
    (code / "a.py").write_text('x = "# nbactl: ignore[swallowed-exception] because"\n' + FAULT)
    assert shown(check_files([code], RULE)) == [("a.py", 5, *RULE)]


def test_scripts_have_comments_too(code: Path) -> None:
    line = "gcloud run deploy api --set-env-vars A=1"
    (code / "a.sh").write_text(f"{line}\n{line} # nbactl: ignore[env-replace] a new service\n")
    assert shown(check_files([code], ["env-replace"])) == [("a.sh", 1, "env-replace")]


# --- the baseline -----------------------------------------------------------------------------------------------------


def known_of(checked: Checked, path: Path) -> None:
    path.write_text(baseline_text(Counter(map(fingerprint, checked.findings))))


def test_a_known_finding_may_move_and_be_renamed(code: Path, tmp_path: Path) -> None:
    (code / "a.py").write_text(FAULT)
    known_of(check_files([code], RULE), tmp_path / "known.json")
    (code / "a.py").unlink()
    (code / "moved.py").write_text("import os\n\n\n# more\n" + FAULT.replace("        return", "          return"))
    new, met = split_known(check_files([code], RULE).findings, load_baseline(tmp_path / "known.json"))
    assert (new, met.total()) == ([], 1)


def test_one_more_of_the_same_is_new(code: Path, tmp_path: Path) -> None:
    (code / "a.py").write_text(FAULT)
    known_of(check_files([code], RULE), tmp_path / "known.json")
    (code / "b.py").write_text(FAULT)
    new, _ = split_known(check_files([code], RULE).findings, load_baseline(tmp_path / "known.json"))
    assert [finding.path.name for finding in new] == ["b.py"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 9, "findings": {}}', '{"version": 1, "findings": 3}'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "known.json").write_text(text)
    with pytest.raises(ConfigError):
        load_baseline(tmp_path / "known.json")


# --- Git --------------------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    env = {**os.environ, **dict.fromkeys(names, "a"), "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, env=env)


def test_since_reports_touched_lines_only(code: Path) -> None:
    git(code, "init", "-q")
    second = FAULT.replace("load", "other")
    (code / "a b.py").write_text(FAULT + second)
    (code / "same.py").write_text(FAULT)
    (code / "é.py").write_text("x = 1\n")
    git(code, "add", ".")
    git(code, "commit", "-qm", "one")
    (code / "a b.py").write_text(FAULT + second.replace("Exception", "BaseException"))
    (code / "é.py").write_text("x = 1\n" + FAULT)
    (code / "new.py").write_text(FAULT)
    checked = check_files([code], RULE, since="HEAD")
    assert shown(checked) == [("a b.py", 9, *RULE), ("new.py", 4, *RULE), ("é.py", 5, *RULE)]
    assert checked.files == 3, "what was not touched is not read"


@pytest.mark.parametrize("revision", ["nowhere", "--output=/tmp/x", ""])
def test_a_revision_that_there_is_not(code: Path, revision: str) -> None:
    git(code, "init", "-q")
    (code / "a.py").write_text(FAULT)
    with pytest.raises(NotFoundError, match="there is no revision"):
        check_files([code], RULE, since=revision)


def test_since_needs_a_repository(code: Path) -> None:
    (code / "a.py").write_text(FAULT)
    with pytest.raises(UsageError, match="git"):
        check_files([code], RULE, since="HEAD")


# --- rewrites ---------------------------------------------------------------------------------------------------------


def test_a_fix_is_written_once_and_keeps_everything_else(code: Path) -> None:
    script = code / "deploy.sh"
    script.write_bytes("gcloud run deploy é --set-env-vars A=1 --set-env-vars=B=2\r\necho done\r\n".encode())
    script.chmod(0o755)
    python = code / "a.py"
    python.write_bytes(
        b"x = 1  # nbactl: ignore[utc-game-date] old\r\n# nbactl: ignore[utc-game-date] old\r\ny = 2\r\n"
    )
    findings = check_files([code]).findings
    assert len(fix_all(findings, dry_run=True)) == 4
    assert b"--set-env-vars" in script.read_bytes()
    fix_all(findings, dry_run=False)
    assert script.read_bytes() == (
        "gcloud run deploy é --update-env-vars A=1 --update-env-vars=B=2\r\necho done\r\n".encode()
    )
    assert script.stat().st_mode & 0o777 == 0o755
    assert python.read_bytes() == b"x = 1\r\ny = 2\r\n"
    assert check_files([code]).findings == []
    assert [path.name for path in sorted(code.iterdir())] == ["a.py", "deploy.sh"]
