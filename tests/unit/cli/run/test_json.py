from __future__ import annotations

import json

from nbactl.cli.run.json import run_json
from tests.kit.run_records import MIXED, run

PROMISED_RUN = {
    "run_id", "name", "kind", "game_date", "status", "started_at", "duration_s", "resumed_from", "tasks"
}  # fmt: skip
PROMISED_TASK = {"name", "required", "status", "attempts", "started_at", "duration_s", "rows", "error"}


def test_a_run_has_the_promised_keys_and_is_plain_json() -> None:
    shape = run_json(MIXED)
    assert set(shape) >= PROMISED_RUN
    assert all(set(each) >= PROMISED_TASK for each in shape["tasks"])
    assert json.loads(json.dumps(shape)) == shape


def test_times_are_utc_and_durations_are_seconds() -> None:
    shape = run_json(MIXED)
    assert shape["started_at"] == "2024-01-16T04:00:01+00:00"
    assert shape["game_date"] == "2024-01-15"
    assert shape["duration_s"] is None, "it still runs"
    assert run_json(run())["duration_s"] == 2.6
    assert shape["tasks"][0]["duration_s"] == 0.39
    assert shape["tasks"][2]["error"]["type"] == "UnavailableError"


def test_a_status_that_readers_know_better_wins() -> None:
    assert run_json(MIXED, "interrupted")["status"] == "interrupted"
