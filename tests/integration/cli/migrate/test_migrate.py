"""`nbactl migrate` from outside: keys, exit codes, what is refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.ports.documents import Delete, Update
from tests.kit.migration import ALL, Lab, PassingClock

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl


SOON = {"NBACTL_TIMEOUT_MIGRATION_SECOND_LOOK": "20ms", "NBACTL_TIMEOUT_MIGRATION_RECHECK": "10ms"}
"""SQLite shows what was written at once: nothing is gained by looking again 1.5 s later."""


@pytest.fixture
def nbactl(nbactl: Nbactl) -> Nbactl:
    """Run nbactl with a second look that comes soon."""

    class Runner:
        directory = nbactl.directory

        def __call__(
            self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
        ) -> subprocess.CompletedProcess[str]:
            return nbactl(*arguments, env={**SOON, **(env or {})}, stdin=stdin)

    return Runner()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    store = SqliteDocuments(tmp_path / ".nbactl" / "documents.db", clock=SystemClock(), busy_timeout=10.0)
    lab = Lab(store, tmp_path / "exports", clock=PassingClock(datetime.now(UTC)))
    lab.batch("b1", ["p1", "p2"], predictions_by_player={"p1": 3})
    yield lab
    store.close()


def migrate(nbactl: Nbactl, *words: str) -> tuple[int, dict[str, Any]]:
    done = nbactl("migrate", "completions", *words, "-o", "json")
    return done.returncode, json.loads(done.stdout)


def test_inv_03_validate_has_the_keys_of_the_contract(nbactl: Nbactl, lab: Lab) -> None:
    code, told = migrate(nbactl, "--validate")
    data = told["data"]
    assert code == 1
    assert not told["ok"]
    assert data["migration"] == "completions"
    assert data["stage"] == "legacy"
    assert data["consistent"] is False
    assert data["checked"] == {"batches": 1, "completions": 2}
    assert data["missing"] == [{"batch": "b1", "player": "p1"}, {"batch": "b1", "player": "p2"}]
    assert [data[key] for key in ("extra", "different", "counter_drift", "unreadable")] == [[], [], [], []]
    assert len(data["digest"]) == 64
    lab.to("validated")
    code, told = migrate(nbactl, "--validate")
    assert (code, told["data"]["consistent"], told["ok"]) == (0, True, True)
    lab.store.commit([Update(completion_path("b1", "p1"), {"predictions_count": 4})])
    lab.store.commit([Update(batch_path("b1"), {"completed_count": -1})])
    code, told = migrate(nbactl, "--validate", "--batch", "b1")
    assert code == 1
    assert told["data"]["different"] == [{"batch": "b1", "player": "p1", "array": 3, "subcollection": 4}]
    assert told["data"]["counter_drift"] == [{"batch": "b1", "counter": -1, "actual": 2}]


def test_status_shows_stage_gates_and_the_next_step(nbactl: Nbactl, lab: Lab) -> None:
    code, told = migrate(nbactl)
    assert (code, told["data"]["stage"], told["data"]["next"]) == (0, "legacy", "--start-dual-write")
    lab.to("reads_switched")
    code, told = migrate(nbactl, "--status")
    closed = {gate["gate"] for gate in told["data"]["gates"] if not gate["holds"]}
    assert closed >= {"bake", "validation"}
    assert [entry["to"] for entry in told["data"]["history"]] == [
        *("dual_write", "backfilled", "validated", "reads_switched"),
    ]


def test_a_refused_step_is_6_and_names_the_command(nbactl: Nbactl, lab: Lab) -> None:
    code, told = migrate(nbactl, "--switch-reads")
    assert code == 6
    assert told["error"]["next"] == "First: nbactl migrate completions --start-dual-write"
    assert told["error"]["details"]["gates"][0]["gate"] == "stage"
    assert lab.migration.stage == "legacy"


@pytest.mark.parametrize(
    "words",
    [
        ["--start-dual-write"],
        ["--pause"],
        ["--rollback"],
        ["--repair"],
        ["--backfill"],
    ],
)
def test_a_dry_run_changes_nothing(nbactl: Nbactl, lab: Lab, words: list[str]) -> None:
    if words[0] in {"--rollback", "--repair", "--backfill"}:
        lab.to("backfilled")
        lab.store.commit([Delete(completion_path("b1", "p1"))])
    before = lab.migration.record.read(), lab.documents("b1"), lab.array("b1")
    nbactl("migrate", "completions", *words, "--dry-run")
    assert (lab.migration.record.read(), lab.documents("b1"), lab.array("b1")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plan", "--validate"], "two actions"),
        (["--validate", "--force", "completions"], "--validate does not take --force"),
        (["--switch-reads", "--force", "yes"], "not the migration's name"),
        (["--validate", "--sample", "0"], "above 0 and at most 100, not 0"),
        (["--validate", "--sample", "101"], "above 0 and at most 100, not 101"),
        (["--plan", "--rate", "fast"], "not a valid rate"),
        (["--rollback", "--to", "legcay"], "Did you mean 'legacy'?"),
        (["--switch-reads", "--max-age", "old"], "not a valid duration"),
        (["--validate", "--watch", "-o", "json"], "--watch does not go"),
    ],
)
def test_a_wrong_call_is_2(nbactl: Nbactl, words: list[str], said: str) -> None:
    done = nbactl("migrate", "completions", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_what_destroys_is_not_done_unasked(nbactl: Nbactl, lab: Lab) -> None:
    lab.to("backfilled")
    lab.store.commit([Update(batch_path("b1"), {"completed_count": 40})])
    assert nbactl("migrate", "completions", "--repair").returncode == 2
    assert lab.counter("b1") == 40
    done = nbactl("migrate", "completions", "--repair", "--yes")
    assert done.returncode == 0
    assert "saved in" in done.stdout
    assert lab.counter("b1") == 2


def test_progress_is_json_lines_on_stderr(nbactl: Nbactl, lab: Lab) -> None:
    lab.to("dual_write")
    done = nbactl("migrate", "completions", "--validate", "-o", "jsonl")
    [event] = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert (event["event"], event["action"], event["done"], event["total"]) == ("progress", "validate", 1, 1)
    assert json.loads(done.stdout)["migration"] == "completions"


def test_a_batch_that_is_not_there_is_4(nbactl: Nbactl, lab: Lab) -> None:
    assert lab.migration.stage == "legacy"
    assert nbactl("migrate", "completions", "--validate", "--batch", "nope").returncode == 4
    missed = nbactl("migrate", "completions", "--validate", "--batch", "b11")
    assert "Did you mean 'b1'?" in missed.stderr


def test_the_list_names_the_migration_and_its_stage(nbactl: Nbactl) -> None:
    [entry] = json.loads(nbactl("migrate", "list", "-o", "json").stdout)["data"]["migrations"]
    assert (entry["migration"], entry["stage"]) == ("completions", "legacy")


def test_inv_20_a_rollback_goes_to_the_stage_that_is_named_and_no_further(nbactl: Nbactl, lab: Lab) -> None:
    lab.to("reads_switched")
    for said in ("reads_switched", None):
        code, told = migrate(nbactl, "--rollback", "--to", "validated")
        assert (code, told["data"]["stage"], told["data"]["pending"]) == (0, "validated", None)
        assert told["data"].get("from") == said
        assert told["data"]["next"] == "--validate", "what was proved before the rollback opens no gate"
    code, told = migrate(nbactl, "--rollback", "--to", "cleaned")
    assert (code, told["error"]["cause"]) == (6, "From here it leads to legacy.")
    assert migrate(nbactl, "--rollback", "--to", "the start")[0] == 2
    assert migrate(nbactl, "--validate", "--to", "legacy")[0] == 2


def test_inv_20_a_rollback_is_pending_until_it_was_reported(nbactl: Nbactl, lab: Lab) -> None:
    lab.to("reads_switched")
    done = nbactl("migrate", "completions", "--rollback", env={"NBACTL_FAULTS": "migration.rolled_back=kill"})
    assert done.returncode == -9
    code, told = migrate(nbactl, "--status")
    assert (told["data"]["stage"], told["data"]["pending"], told["data"]["next"]) == (
        *("validated", "rollback", "--rollback"),
    )
    code, told = migrate(nbactl, "--rollback")
    assert (code, told["data"]["from"], told["data"]["to"]) == (0, "reads_switched", "validated")
    assert lab.migration.record.read().pending is None


def test_inv_19_a_clean_up_is_undone_from_the_command_line(nbactl: Nbactl, lab: Lab) -> None:
    lab.to("cleaned")
    [file] = lab.folder.glob("completions-cleanup-*.jsonl")
    code, told = migrate(nbactl, "--cleanup", "--undo", str(file), "--dry-run")
    assert (code, told["data"]["restored"], told["data"]["dry_run"], lab.array("b1")) == (0, 1, True, None)
    code, told = migrate(nbactl, "--cleanup", "--undo", str(file), "--reason", "too early")
    assert (code, told["data"]["restored"], told["data"]["gone"]) == (0, 1, [])
    assert (told["data"]["stage"], lab.array("b1")) == ("dual_write_stopped", ["p1", "p2"])
    assert "too early" in told["data"]["history"][-1]["why"]
    assert migrate(nbactl, "--cleanup", "--batch", "b1")[0] == 2
    assert migrate(nbactl, "--cleanup", "--undo", str(file.with_name("no")))[0] == 4


@pytest.mark.parametrize("part", [["--sample", "0.01"], ["--since", "2030-01-01"]])
@pytest.mark.parametrize("action", ["--validate", "--plan", "--repair", "--validate --watch"])
def test_inv_24_an_answer_about_no_batches_is_no_success(
    nbactl: Nbactl, lab: Lab, part: list[str], action: str
) -> None:
    if part[0] == "--sample" and action not in {"--validate", "--plan"}:
        return
    lab.to("backfilled")
    done = nbactl("migrate", "completions", *action.split(), *part, "--yes")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "no batch was looked at: the selection (" in done.stderr


def test_inv_24_a_validation_of_an_empty_store_is_no_success(nbactl: Nbactl) -> None:
    code, told = migrate(nbactl, "--validate")
    assert (code, told["ok"], told["error"]["code"]) == (4, False, "not_found")
    assert told["data"]["checked"] == {"batches": 0, "completions": 0}
    assert told["data"]["consistent"] is False
    assert "nothing compared" in nbactl("migrate", "completions", "--validate").stdout


DAMAGED = ('{"half": ', "", "[]", "null")


@pytest.mark.parametrize("stage", ["legacy", "backfilled", "cleaned"])
def test_a_damaged_batch_is_reported_and_hides_no_other(nbactl: Nbactl, lab: Lab, tmp_path: Path, stage: str) -> None:
    lab.batch("b2", ["q1"], predictions_by_player={"q1": 3})
    lab.to(stage)
    for text in DAMAGED:
        damage(tmp_path, "prediction_batches", "b1", text)
        for words in (["--validate"], ["--validate", "--since", "2020-01-01"], ["--validate", "--batch", "b1"]):
            code, found = migrate(nbactl, *words)
            assert code == 1, text
            (unreadable,) = found["data"]["unreadable"]
            assert (unreadable["batch"], unreadable["field"]) == ("b1", "document"), text
            assert "JSON" in unreadable["reason"], text
        code, repair = migrate(nbactl, "--repair", "--dry-run")
        assert code in {0, 1}, text
        assert [problem["batch"] for problem in repair["data"]["by_hand"]] == ["b1"], text
        if stage != "cleaned":
            code, plan = migrate(nbactl, "--plan")
            assert code == 0, text
            assert "b1" in json.dumps(plan["data"]), text
        if stage == "backfilled":
            assert [problem.batch for problem in lab.migration.backfill(ALL, lab.caller).unreadable] == ["b1"], text


def test_a_damaged_completion_is_reported(nbactl: Nbactl, lab: Lab, tmp_path: Path) -> None:
    lab.to("backfilled")
    for text in DAMAGED:
        damage(tmp_path, "prediction_batches/b1/completions", "p1", text)
        code, found = migrate(nbactl, "--validate")
        assert code == 1, text
        (unreadable,) = found["data"]["unreadable"]
        assert (unreadable["batch"], unreadable["field"], unreadable["value"]) == ("b1", "completions", "'p1'"), text
        assert found["data"]["missing"] == [], text
        code, repair = migrate(nbactl, "--repair", "--dry-run")
        assert [problem["field"] for problem in repair["data"]["by_hand"]] == ["completions"], text


def damage(folder: Path, collection: str, name: str, text: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / ".nbactl" / "documents.db")) as file:
        changed = file.execute("UPDATE documents SET data=? WHERE collection=? AND id=?", (text, collection, name))
        assert changed.rowcount == 1
        file.commit()
