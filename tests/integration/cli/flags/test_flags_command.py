"""`nbactl flags` from end to end: what changes, what is refused, and the way out at night."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.main import main
from nbactl.cli.show.stream import Stream
from nbactl.config.loader import shipped_config_dir
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags.snapshot import bucket_of
from nbactl.core.flags.store import ANY_VERSION, Change, FlagStore
from nbactl.ports.documents import Update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTRACT = {
    *("key", "type", "percent", "enabled", "stage", "env_override", "updated_at", "updated_by", "reason", "stale"),
}

ACTIVE = "active: [query_caching, parallel_config]"


class Nbactl:
    """Runs nbactl in this process, in a directory with flags.yaml of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        returned = main(["flags", *arguments, "-o", "json"])
        captured = self._capsys.readouterr()
        document: dict[str, Any] = json.loads(captured.out)
        assert (returned, document["ok"]) == (code, code == 0), captured.err
        answer: dict[str, Any] = document["error"] if document["data"] is None else document["data"]
        return answer

    def text(self, *arguments: str) -> str:
        main(["flags", *arguments])
        captured = self._capsys.readouterr()
        return captured.out + captured.err

    def percents(self) -> dict[str, str]:
        lines = self("list")["flags"]
        return {
            each["key"]: "?" if each["enabled"] is None else f"{each['percent']:g}" if each["enabled"] else "off"
            for each in lines
        }


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Nbactl:
    monkeypatch.chdir(tmp_path)
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(shipped_config_dir() / name, tmp_path)
    return Nbactl(tmp_path, capsys)


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[SqliteDocuments]:
    with closing(SqliteDocuments(tmp_path / ".nbactl" / "documents.db", clock=SystemClock(), busy_timeout=9)) as store:
        yield store


def rewrite(folder: Path, was: str, now: str) -> None:
    text = (folder / "flags.yaml").read_text()
    assert was in text
    (folder / "flags.yaml").write_text(text.replace(was, now, 1))


def test_list_has_the_keys_of_the_contract_and_makes_no_file(flags: Nbactl) -> None:
    lines = flags("list")["flags"]
    assert len(lines) == 10
    assert all(set(line) >= CONTRACT for line in lines)
    assert lines[0] == {
        **dict.fromkeys(CONTRACT),
        "key": "phase2_completion_deadline",
        "type": "bool",
        "percent": 0.0,
        "enabled": True,
        "stale": False,
    }
    assert not (flags.folder / ".nbactl").exists()


def test_the_way_up_and_back_by_the_commands_that_are_printed(flags: Nbactl) -> None:
    ups = [("--percent", "10"), ("--percent", "50"), ("--on",), ("--off",), ("--percent", "33.333")]
    seen, undos = [flags.percents()["query_caching"]], []
    for how in ups:
        done = flags("set", "query_caching", *how, "--reason", "because")
        assert done["applied"] is True
        undos += done["undo"]
        seen.append(flags.percents()["query_caching"])
    assert seen == ["0", "10", "50", "100", "off", "33.333"]
    for undo, before in zip(reversed(undos), reversed(seen[:-1]), strict=True):
        _, noun, *rest = undo.split()
        assert noun == "flags"
        flags(*rest)
        assert flags.percents()["query_caching"] == before
    history = flags("history", "query_caching")["history"]
    assert [each["version"] for each in history] == list(range(10, 0, -1))
    assert history[-1]["reason"] == "because"
    assert "@" in history[0]["updated_by"]


def test_at_80_columns_key_columns_stay_and_the_rest_is_named(flags: Nbactl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "width", 80)
    flags("set", "query_caching", "--percent", "50", "--reason", "second stage of the rollout")
    text = flags.text("list")
    columns = set(text.splitlines()[0].split())
    assert columns >= {"FLAG", "ROLLED", "STAGE", "BY"}
    assert "REASON" not in columns
    assert "use -o wide." in text


def test_without_a_name_the_current_rollout_moves(flags: Nbactl) -> None:
    changes = flags("set", "--percent", "50")["changes"]
    assert [(each["key"], each["after"]["percent"]) for each in changes] == [
        ("query_caching", 50.0),
        ("parallel_config", 50.0),
    ]
    assert flags("check")["findings"] == []
    flags("rollback", "--to", "10")
    assert {flags.percents()[key] for key in ("query_caching", "parallel_config")} == {"10"}
    said = flags.text("set", "--percent", "20", "--dry-run")
    assert "query_caching" in said
    assert "parallel_config" in said
    rewrite(flags.folder, ACTIVE, "active: []")
    refused = flags("set", "--percent", "50", code=2)
    assert refused["message"] == "no flag is named, and rollout.active is empty"


def test_a_flag_that_is_on_by_default_is_on_until_it_is_switched_off(flags: Nbactl) -> None:
    key = "dual_write_mode"
    assert (flags.percents()[key], flags("eval", key, "--entity", "b")["value"]) == ("100", True)
    for how, value in (("--off", False), ("--on", True)):
        done = flags("set", key, how)
        assert flags("eval", key, "--entity", "b")["value"] is value
    flags("set", "subcollection_completions", "--on")
    assert done["undo"] == [f"nbactl flags set {key} --off"]
    flags("set", key, "--percent", "50")
    values = {flags("eval", key, "--entity", f"batch-{number}")["value"] for number in range(20)}
    assert values == {True, False}


def test_setting_a_flag_where_it_is_gives_the_store_an_opinion(flags: Nbactl) -> None:
    for key, percent in (("query_caching", "0"), ("dual_write_mode", "100")):
        [change] = flags("set", key, "--percent", percent)["changes"]
        assert change["before"] == change["after"]
        assert flags("set", key, "--percent", percent)["changes"] == []
        assert len(flags("history", key)["history"]) == 1


def test_the_first_change_of_a_flag_that_is_on_by_default_is_undone_to_on(flags: Nbactl) -> None:
    assert flags("set", "dual_write_mode", "--off")["undo"] == ["nbactl flags set dual_write_mode --percent 100"]
    assert flags("rollback", "--to", "10", "--all")["changes"] == []


def test_eval_explains_which_step_decided(flags: Nbactl) -> None:
    flags("set", "query_caching", "--percent", "50")
    for number in range(4):
        answer = flags("eval", "query_caching", "--entity", f"request-{number}")
        assert answer["value"] is (answer["bucket"] < 50_000)
        assert (answer["percent"], answer["source"]) == (50.0, "store")
        assert answer["reason"] == ("percent" if answer["value"] else "default")
        assert [step["name"] for step in answer["steps"] if step["decided"]] == ["percent"]


def test_eval_takes_attributes_and_the_environment(flags: Nbactl, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(
        flags.folder,
        "    parameters: {QUERY_CACHE_TTL_SECONDS: 3600}\n",
        "    targeting: {rules: [{attribute: games, in: [3]}, {attribute: home, in: [true], serve: false}]}\n",
    )
    assert flags("eval", "query_caching", "--attribute", "games=3")["reason"] == "rule"
    assert flags("eval", "query_caching", "--attribute", "home=true")["reason"] == "rule"
    assert flags("eval", "query_caching", "--attribute", "games=x")["reason"] == "default"
    assert flags("eval", "query_caching", "--attribute", "games", code=2)["code"] == "usage"
    monkeypatch.setenv("ENABLE_QUERY_CACHING", "true")
    answer = flags("eval", "query_caching")
    assert (answer["value"], answer["reason"], answer["source"]) == (True, "environment", "environment")
    assert flags("list")["flags"][4]["env_override"] is True


def test_half_of_the_traffic_moves_and_diff_named_it_before(flags: Nbactl) -> None:
    ids = [f"request-{number}" for number in range(2_000)]
    (flags.folder / "ids").write_text("\ufeff" + "\n".join([*ids, "", "request-1"]))
    flags("set", "query_caching", "--percent", "10")
    told = flags("diff", "query_caching", "--percent", "50", "--entities", "ids")
    flips = [entity for entity in ids if 10_000 <= bucket_of("query_caching", entity) < 50_000]
    assert told["flips"] == [{"key": "query_caching", "entity": e, "from": False, "to": True} for e in flips]
    assert (told["entities"], told["counts"]) == (2_000, {"query_caching": len(flips)})
    assert flags.percents()["query_caching"] == "10"
    flags("set", "query_caching", "--percent", "50")
    back = flags("diff", "query_caching", "--percent", "0", "--entities", "ids")
    assert 900 < back["counts"]["query_caching"] < 1_100
    text = flags.text("diff", "query_caching", "--percent", "0", "--entities", "ids")
    assert "50 % to 0 %" in text
    assert "-v shows all of them" in text


def test_diff_reads_standard_input(flags: Nbactl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert flags("diff", "query_caching", "--percent", "100", "--entities", "-")["counts"] == {"query_caching": 2}


@pytest.mark.parametrize(("content", "code"), [(None, 4), (b"", 2), (b"\n  \n", 2), (b"\xff\xfe", 2), ("directory", 2)])
def test_a_file_of_ids_that_is_none_is_refused(flags: Nbactl, content: Any, code: int) -> None:
    if content == "directory":
        (flags.folder / "ids").mkdir()
    elif content is not None:
        (flags.folder / "ids").write_bytes(content)
    flags("diff", "query_caching", "--percent", "50", "--entities", "ids", code=code)


REFUSED = (
    (("set", "query_caching", "--percent", "101"), 2),
    (("set", "query_caching", "--percent", "nan"), 2),
    (("set", "query_caching", "--percent", "0.0001"), 2),
    (("set", "query_caching", "--on", "--off"), 2),
    (("set", "query_caching"), 2),
    (("set", "query_cachin", "--on"), 4),
    (("set", "query_caching", "query_cachin", "--on"), 4),
    (("show", "query_cachin"), 4),
    (("eval", "query_cachin"), 4),
    (("history", "query_cachin"), 4),
    (("rollback", "query_cachin"), 4),
    (("rollback", "query_cachin", "--env"), 4),
    (("rollback", "query_caching", "--all"), 2),
    (("rollback", "--all", "--to", "101"), 2),
    (("rollback", "--all", "--env", "--to", "10"), 2),
    (("check", "gone"), 4),
)


def test_bad_input_is_refused_and_the_old_value_stands(flags: Nbactl) -> None:
    flags("set", "query_caching", "--percent", "10")
    for arguments, code in REFUSED:
        error = flags(*arguments, code=code)
        assert error["message"], arguments
        assert error["next"], arguments
        if "query_cachin" in arguments:
            assert error["next"] == "Did you mean 'query_caching'?"
    assert flags.percents()["query_caching"] == "10"
    assert len(flags("history", "query_caching")["history"]) == 1


def test_a_dry_run_changes_nothing(flags: Nbactl) -> None:
    told = flags("set", "query_caching", "--percent", "50", "--dry-run")
    assert (told["applied"], told["changes"][0]["after"]["percent"]) == (False, 50.0)
    assert "Dry run: nothing was changed on local." in flags.text("rollback", "--all", "--dry-run")
    assert not (flags.folder / ".nbactl").exists()


def test_what_is_there_already_is_not_written_again(flags: Nbactl) -> None:
    flags("set", "query_caching", "--percent", "50")
    told = flags("set", "query_caching", "--percent", "50")
    assert (told["changes"], told["unchanged"], told["applied"]) == ([], ["query_caching"], False)
    assert "Nothing to do" in flags.text("set", "query_caching", "--percent", "50")


def test_a_flag_that_what_it_needs_holds_back_is_said_to_be(flags: Nbactl) -> None:
    text = flags.text("set", "subcollection_reads", "--percent", "10")
    assert "warning: subcollection_reads is at 10 %, but needs subcollection_completions, which is at 0 %" in text


@pytest.fixture
def meanwhile(documents: SqliteDocuments, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sets query_caching to 77 % just before the next change is written."""
    store, change = FlagStore(documents, SystemClock()), FlagStore.change

    def first_the_other(self: FlagStore, *given: Any, **more: Any) -> Any:
        monkeypatch.setattr(FlagStore, "change", change)
        other = Change("query_caching", ANY_VERSION, 77.0, enabled=True, salt="other", hash_version=1, stage=None)
        store.change([other], by="other@host", reason="mine first")
        return change(self, *given, **more)

    monkeypatch.setattr(FlagStore, "change", first_the_other)


@pytest.mark.usefixtures("meanwhile")
def test_a_change_that_came_between_is_not_overwritten(flags: Nbactl) -> None:
    error = flags("set", "query_caching", "--percent", "50", code=6)
    assert error["cause"].startswith("other@host set it to 77 % at ")
    assert flags.percents()["query_caching"] == "77"


@pytest.mark.usefixtures("meanwhile")
def test_a_change_that_came_between_does_not_keep_a_rollback_from_working(flags: Nbactl) -> None:
    flags("rollback", "query_caching")
    assert flags.percents()["query_caching"] == "off"
    assert [each["percent"] for each in flags("history", "query_caching")["history"]] == [0.0, 77.0]


def test_rollback_of_all_beats_every_environment(flags: Nbactl, monkeypatch: pytest.MonkeyPatch) -> None:
    flags("set", "query_caching", "structured_logging", "--percent", "50")
    monkeypatch.setenv("ENABLE_QUERY_CACHING", "true")
    assert len(flags("rollback", "--all", "--reason", "the night")["changes"]) == 10
    assert set(flags.percents().values()) == {"off"}
    assert flags("eval", "query_caching", "--entity", "x")["reason"] == "disabled"


@pytest.mark.parametrize("name", ["flags.yaml", "workflows.yaml", "timeouts.yaml"])
def test_rollback_works_with_files_that_cannot_be_read(flags: Nbactl, name: str) -> None:
    flags("set", "query_caching", "--percent", "50")
    text = (flags.folder / name).read_text()
    (flags.folder / name).write_text(text + "\n  - [broken")
    assert flags("set", "query_caching", "--percent", "60", code=2)["code"] == "config"
    assert [each["key"] for each in flags("rollback", "--all")["changes"]] == ["query_caching"]
    assert "ENABLE_QUERY_CACHING" in flags("rollback", "--all", "--env")["environment"]
    assert flags("rollback", code=2)["message"] == "no flag is named, and flags.yaml cannot be read"
    (flags.folder / name).write_text(text)
    assert flags.percents()["query_caching"] == "off"


def test_a_damaged_state_is_reported_refused_and_repaired_by_rollback(
    flags: Nbactl, documents: SqliteDocuments
) -> None:
    flags("set", "query_caching", "idempotency_keys", "--percent", "50")
    documents.commit([Update("flags/query_caching", {"percent": "fifty"})])
    assert "query_caching cannot be read: percent is 'fifty'" in flags.text("list")
    error = flags("set", "query_caching", "--percent", "60", code=1)
    assert error["next"] == "Write it again: nbactl flags rollback query_caching"
    percents = flags.percents()
    assert (percents["query_caching"], percents["idempotency_keys"]) == ("?", "50"), "one damaged flag hides no other"
    done = flags("rollback", "query_caching")
    assert (done["changes"][0]["before"], done["undo"]) == (None, [])
    assert flags.percents()["query_caching"] == "off"


def test_when_the_store_is_down_rollback_names_the_other_exit(flags: Nbactl) -> None:
    timeouts = (flags.folder / "timeouts.yaml").read_text()
    head, found, tail = timeouts.partition("documents.busy:\n    limit: 10s")
    assert found
    (flags.folder / "timeouts.yaml").write_text(f"{head}documents.busy:\n    limit: 50ms{tail}")
    flags("set", "query_caching", "--percent", "10")
    with closing(sqlite3.connect(flags.folder / ".nbactl" / "documents.db")) as somebody_else:
        somebody_else.execute("BEGIN IMMEDIATE")
        error = flags("rollback", "--all", code=7)
        assert "nbactl flags rollback --all --env" in error["next"]
        out = flags.text("rollback", "query_caching", "--env")
    assert "export ENABLE_QUERY_CACHING=false\n" in out


def test_the_variables_of_the_emergency_exit_are_understood_by_a_shell(flags: Nbactl) -> None:
    main(["flags", "rollback", "--all", "--env"])
    script = flags._capsys.readouterr().out + 'echo "$DUAL_WRITE_MODE $USE_SUBCOLLECTION_READS"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "true false\n"


def test_show_has_everything_about_a_flag(flags: Nbactl) -> None:
    flags("set", "dual_write_mode", "--percent", "10", "--reason", "first")
    flag = flags("show", "dual_write_mode")["flag"]
    assert set(flag) >= CONTRACT | {"version", "salt", "prerequisites", "rollout", "expires", "owner", "parameters"}
    assert (flag["stage"], flag["version"], flag["reason"]) == (1, 1, "first")
    assert [stage["percent"] for stage in flag["rollout"]["stages"]] == [10.0, 50.0, 100.0]
    assert "needs:       subcollection_completions" in flags.text("show", "dual_write_mode")


def test_drift_and_check_exit_with_1_when_they_find_something(flags: Nbactl, monkeypatch: pytest.MonkeyPatch) -> None:
    assert flags("drift")["drift"] == []
    assert flags("check")["findings"] == []
    (flags.folder / "service.py").write_text('flags.on("query_cachin")\n')
    kinds = [each["kind"] for each in flags("check", "service.py", code=1)["findings"]]
    assert kinds == ["unused"] * 10 + ["undeclared"]
    monkeypatch.setenv("ENABLE_QUERY_CACHING", "true")
    [found] = flags("drift", code=1)["drift"]
    assert (found["key"], found["kind"]) == ("query_caching", "environment")
    assert "there are no deployed services" in flags.text("drift")


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, 4),
        ({"README.md": "flags.on('query_caching')"}, 4),
        ({".hidden/service.py": "x = 1"}, 4),
        ({"broken.py": "def ("}, 1),
        ({"bytes.py": "\0"}, 1),
    ],
)
def test_inv_24_a_check_of_code_that_looked_at_nothing_says_so(flags: Nbactl, files: dict[str, str], code: int) -> None:
    folder, good = flags.folder / "code", flags.folder / "good.py"
    folder.mkdir()
    good.write_text("x = 1")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    error = flags("check", str(folder), code=code)
    assert error["message"].startswith("nothing was searched: ")
    assert "Python" in error["message"]
    if code == 4:
        assert str(folder) in flags("check", str(good), str(folder), code=4)["message"], "one of several paths"


def test_a_flag_in_the_store_that_is_not_declared_is_reported_and_can_be_rolled_back(flags: Nbactl) -> None:
    flags("set", "query_caching", "--percent", "50")
    rewrite(flags.folder, "  query_caching:\n", "  cached_queries:\n")
    rewrite(flags.folder, ACTIVE, "active: []")
    assert "does not declare: query_caching" in flags.text("list")
    assert len(flags("history", "query_caching")["history"]) == 1
    flags("rollback", "query_caching")
    assert flags("check")["findings"] == []


def test_on_gcp_changes_are_asked_for_and_the_way_back_names_the_place(
    flags: Nbactl, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    gcp = ("--target", "gcp", "--project", "flags-command")
    error = flags("set", "query_caching", "--on", *gcp, code=2)
    assert error["message"] == "confirmation needed: Change 1 flag on gcp (flags-command)?"
    assert flags("list", *gcp)["flags"][4]["percent"] == 0
    flags("set", "query_caching", "--percent", "50", *gcp, "--dry-run")
    done = flags("set", "query_caching", "--percent", "50", *gcp, "--yes")
    assert done["undo"] == [f"nbactl flags set query_caching --percent 0 {' '.join(gcp)}"]
    assert flags("list", *gcp)["flags"][4]["percent"] == 50
    assert flags.percents()["query_caching"] == "0", "local is another place"
    assert len(flags("rollback", "--all", *gcp, "--yes")["changes"]) == 10
    assert [each["version"] for each in flags("history", "query_caching", *gcp)["history"]] == [2, 1]
