"""`nbactl audit`, and the entries that commands leave on this machine."""

from __future__ import annotations

import json
import os
import signal
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.audited import without_secrets
from nbactl.cli.main import main
from nbactl.testing.faults import calling
from tests.integration.cli.conftest import environment
from tests.integration.cli.flags.services_kit import DECLARED, quick_config
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from pathlib import Path

SET = ("flags", "set", "query_caching", "--percent", "50")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)


def call(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    returned = main([*words, "-o", "json"])
    captured = capsys.readouterr()
    assert returned == code, captured
    return json.loads(captured.out)


def changes(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    return call(capsys, "audit", *words)["data"]["changes"]  # type: ignore[no-any-return]


def test_a_change_has_its_entry_and_a_read_or_a_dry_run_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((*SET, "--dry-run"), ("flags", "list"), ("outbox", "drive"), ("audit",), ("breakers", "list")):
        main([*words])
    capsys.readouterr()
    assert changes(capsys) == []
    call(capsys, *SET, "--reason", "second stage, api_key=abcdef123")
    [entry] = changes(capsys, "--by", "heal") + changes(capsys, "--action", "flags")
    assert (entry["action"], entry["outcome"], entry["touches"]) == ("flags.set", "done", ["flags query_caching"])
    assert entry["reason"] == "second stage, api_key=***"
    assert entry["arguments"][:3] == ["flags", "set", "query_caching"]
    assert "abcdef123" not in json.dumps(entry)
    main(entry["undo"].split()[1:])
    capsys.readouterr()
    assert [each["action"] for each in changes(capsys, "list")] == ["flags.set", "flags.set"]
    [flag] = [flag for flag in call(capsys, "flags", "list")["data"]["flags"] if flag["key"] == "query_caching"]
    assert flag["percent"] == 0


def test_a_filter_that_matches_nothing_does_not_say_that_nothing_was_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["audit"])
    assert capsys.readouterr().err == "No change is recorded.\n"
    main(["audit", "--by", "nobody"])
    assert capsys.readouterr().err == "No change matches.\n"


def test_a_change_that_was_refused_is_not_entered_and_one_that_failed_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(capsys, "leases", "release", "phase3/2024-01-15", code=4)
    assert changes(capsys) == []

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("nbactl.core.flags.store.FlagStore.write", fail, raising=False)
    monkeypatch.setattr("nbactl.core.flags.store.FlagStore.move", fail, raising=False)
    monkeypatch.setattr("nbactl.core.flags.store.FlagStore.apply", fail, raising=False)
    assert main([*SET]) != 0
    capsys.readouterr()
    [entry] = changes(capsys)
    assert entry["outcome"] == "failed"
    assert "no space left" in entry["error"]


def test_inv_20_a_change_that_was_killed_stays_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_nbactl([*SET], cwd=tmp_path, env=environment({"NBACTL_FAULTS": "audit.begun=kill"}))
    assert done.returncode == -9
    [entry] = changes(capsys)
    assert (entry["outcome"], entry["finished_at"]) == ("started", None)
    assert "query_caching" in " ".join(entry["touches"])


def test_a_change_that_was_interrupted_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, *SET)
    looked: list[int] = []

    def stop_at_the_removal() -> None:
        looked.append(len(looked))
        if len(looked) > 1:
            os.kill(os.getpid(), signal.SIGINT)

    with calling("retention.pruned", stop_at_the_removal):
        stopped = call(capsys, "prune", "--kind", "audit", "--older-than", "1ms", "--yes", code=130)
    [entry] = changes(capsys)
    assert (entry["outcome"], entry["touches"]) == ("cancelled", ["Remove audit: 1"])
    assert entry["error"] == "SignalledError: stopped by SIGINT"
    assert stopped["error"]["next"] == (
        f"Part of it may be done. Run the same command again for the rest; its entry: nbactl audit show {entry['id']}"
    )


def test_an_emergency_rollback_while_the_store_is_down_is_entered_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], firestore_address: str
) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    with cloud_run_server(project) as cloud:
        for name, value in {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9",  # the discard service, which nobody has
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
            "NBACTL_TIMEOUT_AUDIT_WRITE": "200ms",
        }.items():
            monkeypatch.setenv(name, value)
        quick_config(tmp_path)
        cloud.deploy(DECLARED[0], {"ENABLE_QUERY_CACHING": "true"})
        rollback = ("flags", "rollback", "query_caching", "--env", "--reason", "errors", "--yes")
        done = call(capsys, *rollback)
        assert done["data"]["applied"]
        assert any("audit trail keeps this change in a file" in warning for warning in done["warnings"])
        assert len(list((tmp_path / ".nbactl" / "audit").glob("*.json"))) == 1
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
        [entry] = changes(capsys)
        assert (entry["action"], entry["outcome"], entry["reason"]) == ("flags.rollback", "done", "errors")
        assert entry["undo"].startswith("nbactl flags sync --undo ")
        call(capsys, "flags", "set", "query_caching", "--percent", "5", "--yes")
        assert not list((tmp_path / ".nbactl" / "audit").glob("*.json"))
        assert [each["action"] for each in changes(capsys)] == ["flags.set", "flags.rollback"]


def test_the_value_of_an_option_that_is_named_like_a_secret_is_masked() -> None:
    words = ("x", "--api-key", "abc", "--token=abc", "--limit", "3", "password:abc")
    assert without_secrets(words) == ("x", "--api-key", "***", "--token=abc", "--limit", "3", "password:abc")
