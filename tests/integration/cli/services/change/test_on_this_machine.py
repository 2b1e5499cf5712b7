"""On target local the same commands change the services of `nbactl up`, and undo it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbactl.cli.main import main
from tests.kit.local_up import LocalUp, open_services

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_service_of_up_is_changed_rolled_back_and_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBACTL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()

    def call(*words: str, code: int = 0) -> dict[str, Any]:
        assert main(["services", *words, "-o", "json"]) == code, capsys.readouterr().err
        document = json.loads(capsys.readouterr().out)
        found: dict[str, Any] = document["data"] or document["error"]
        return found

    with LocalUp(tmp_path / "state") as up:
        services = open_services(tmp_path / "state", who="mia@here")
        up.deploy("worker", {"LOG_LEVEL": "info"})
        before = services.get("worker")
        call("env", "set", "worker", "LOG_LEVEL=debug")
        assert services.get("worker").env["LOG_LEVEL"] == "debug"
        assert call("rollback", "worker")["effects"][0].startswith(f"to {before.latest_ready_revision}: ")
        assert services.get("worker").pinned_to == [before.latest_ready_revision]
        call("undo", "last")
        call("undo", "last")
        after = services.get("worker")
        assert (after.env, after.env_order, after.traffic) == (before.env, before.env_order, before.traffic)
        assert call("env", "set", "worker", "API_KEY=1", code=2)["code"] == "usage"
        assert call("scale", "worke", "--max-instances", "2", code=4)["next"] == "Did you mean 'worker'?"
        scaled = call("scale", "worker", "--min-instances", "2", "--concurrency", "4", "--dry-run")
        assert scaled["effects"][0] == "processes: 2, now 1; each takes 4 requests at once"
        assert not any("$" in effect for effect in scaled["effects"])
        assert main(["services", "list"]) == 0
        assert capsys.readouterr().out.split("\n")[1].split()[:4] == ["worker", "ready", "latest", "1"]
        for declared in (("diff",), ("env", "diff"), ("apply",)):
            assert call(*declared, code=6)["message"] == "on target local nothing is declared of services"
        assert main(["services", "env", "set", "worker", "LOG_LEVEL=debug"]) == 0
        written = "".join(capsys.readouterr())
        assert "Ctrl-C does not stop `nbactl up`" in written
        assert "Cloud Run" not in written
        call("undo", "last")
        assert call("env", "set", "worker", "SOME_TOKEN=1", code=2)["next"].startswith("Set it where `nbactl up`")
        for refused in (
            ("scale", "worker", "--min-instances", "20"),
            ("traffic", "worker", "--to", f"{before.latest_ready_revision}=50", "--to", "latest"),
            ("rollback", "worker", "--gradual"),
        ):
            for given in (refused, (*refused, "--dry-run")):
                assert call(*given, code=1)["message"].endswith(("too many for this machine", "are not split"))
    assert [each["state"] for each in call("changes")["changes"]] == [
        "done",
        "undone",
        "done",
        "done",
        "undone",
        "undone",
    ]
    newest = call("changes")["changes"][0]["id"]
    assert call("undo", newest, code=6)["message"] == "worker does not run, and is not changed"
    assert len(call("changes")["changes"]) == 6, "an undo that is refused is not saved"
    assert main(["services", "changes", "coordinator"]) == 0
    assert "No change of coordinator was made from here." in capsys.readouterr().err
