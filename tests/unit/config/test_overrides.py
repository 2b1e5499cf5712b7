"""The environment sets limits of timeouts, under the rules of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.config.explain import explain
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.config.overrides import variable_of, without_overrides
from nbactl.config.variables import environment_variables, timeout_variables
from nbactl.errors import ConfigError
from tests.kit.config_files import edit, small_config

if TYPE_CHECKING:
    from pathlib import Path


def refused(folder: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(folder, environ)
    assert all(name in caught.value.message for name in environ) or "timeouts.yaml" in caught.value.message
    return [line.replace(f"{folder}/", "") for line in (caught.value.cause or "").splitlines()]


def test_a_variable_comes_before_the_file_and_only_for_its_timeout() -> None:
    shipped = shipped_config_dir()
    plain = load_config(shipped, {})
    config = load_config(shipped, {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": "1m30s", "NBACTL_TIMEOUT_HTTP_HEALTH": ""})
    assert (plain.timeouts["warehouse.query"], config.timeouts["warehouse.query"]) == (60.0, 90.0)
    changed = [name for name in plain.timeouts.timeouts if plain.timeouts[name] != config.timeouts[name]]
    assert changed == ["warehouse.query"]
    assert config.timeouts.calls()["bigquery"].attempt == 90.0
    assert (dict(plain.variables), dict(config.variables)) == (
        {},
        {"warehouse.query": "NBACTL_TIMEOUT_WAREHOUSE_QUERY"},
    )


def test_without_an_environment_that_of_the_process_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBACTL_TIMEOUT_WAREHOUSE_QUERY", "61s")
    assert load_config(shipped_config_dir()).timeouts["warehouse.query"] == 61.0


def test_inv_21_a_variable_of_no_timeout_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    assert refused(small_config(tmp_path), NBACTL_TIMEOUT_TASK_FETSCH="90s") == [
        "NBACTL_TIMEOUT_TASK_FETSCH: no timeout has this variable. Did you mean 'NBACTL_TIMEOUT_TASK_FETCH'?"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("90", "not a valid duration"),
        ("0s", "not a duration above zero"),
        ("-5s", "not a valid duration"),
        ("soon", "not a valid duration"),
    ],
)
def test_inv_21_what_is_no_duration_is_refused_by_the_variables_name(tmp_path: Path, text: str, told: str) -> None:
    assert refused(small_config(tmp_path), NBACTL_TIMEOUT_CONNECT=text) == [
        f"NBACTL_TIMEOUT_CONNECT: '{text}' is {told}. Write 90s, 30m, 4h or 7d."
    ]


def test_a_caller_must_wait_longer_than_what_the_environment_gives_to_what_it_calls(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    told = "a caller must wait longer than what it calls: task.fetch waits"
    assert refused(folder, NBACTL_TIMEOUT_CONNECT="180s") == [
        f"timeouts.yaml:42:13: {told} 3m00s, connect up to 3m00s (NBACTL_TIMEOUT_CONNECT)."
    ]
    assert refused(folder, NBACTL_TIMEOUT_TASK_FETCH="5s") == [
        f"timeouts.yaml:42:13: {told} 5.0s (NBACTL_TIMEOUT_TASK_FETCH), connect up to 5.0s."
    ]
    assert refused(folder, NBACTL_TIMEOUT_CONNECT="201s", NBACTL_TIMEOUT_TASK_FETCH="4m") == [
        "timeouts.yaml:24:12: 3m20s in all is less than one attempt, 3m21s (NBACTL_TIMEOUT_CONNECT).",
        "timeouts.yaml:31:22: 3m20s in all is less than one attempt, 3m21s (NBACTL_TIMEOUT_CONNECT).",
        "timeouts.yaml:32:22: 3m20s in all is less than one attempt, 3m21s (NBACTL_TIMEOUT_CONNECT).",
    ]


def test_two_timeouts_with_one_variable_are_refused(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    edit(
        folder,
        "timeouts.yaml",
        "  connect: {limit: 5s",
        "  task_slow: {limit: 5s, why: Another reason}\n  connect: {limit: 5s",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(folder, {})
    assert "'task_slow' and 'task.slow' would have the same variable, NBACTL_TIMEOUT_TASK_SLOW" in str(
        caught.value.cause
    )


def test_a_file_without_timeouts_is_refused_for_that_and_not_for_the_variable(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    (folder / "timeouts.yaml").write_text("version: 1\ntimeouts: [connect]\n")
    with pytest.raises(ConfigError, match=r"in .*timeouts\.yaml"):
        load_config(folder, {"NBACTL_TIMEOUT_CONNECT": "9s"})


def test_explain_says_where_a_value_comes_from() -> None:
    shipped = shipped_config_dir()
    config = load_config(shipped, {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": "90s"})
    for key in ("timeouts.warehouse.query", "warehouse.query", "NBACTL_TIMEOUT_WAREHOUSE_QUERY"):
        told = explain(config, key)
        assert (told.value["limit"], told.origin) == ("90s", "env NBACTL_TIMEOUT_WAREHOUSE_QUERY"), key
    assert explain(config, "timeouts.warehouse.query.limit").origin == "env NBACTL_TIMEOUT_WAREHOUSE_QUERY"
    other = explain(config, "timeouts.warehouse.load")
    assert other.origin == f"file {other.file}:{other.line}"
    assert explain(config, "timeouts.warehouse.load.jitter").origin == "default"


def test_the_variables_are_known_by_name() -> None:
    assert variable_of("warehouse.query_large") == "NBACTL_TIMEOUT_WAREHOUSE_QUERY_LARGE"
    assert timeout_variables(shipped_config_dir())["NBACTL_TIMEOUT_OUTBOX_KEEP"] == "outbox.keep"
    assert "NBACTL_TIMEOUT_NAME" in environment_variables()
    assert without_overrides({"A": "1", "NBACTL_TIMEOUT_X": "2", "NBACTL_TARGET": "gcp"}) == {
        "A": "1",
        "NBACTL_TARGET": "gcp",
    }


def test_a_timeout_that_is_not_declared_is_a_clear_error() -> None:
    timeouts = load_config(shipped_config_dir(), {}).timeouts
    with pytest.raises(ConfigError, match=r"there is no timeout 'warehouse\.qery'") as caught:
        timeouts["warehouse.qery"]
    assert caught.value.next_step == "Did you mean 'warehouse.query'?"
    with pytest.raises(ConfigError):
        timeouts.interval("flags.refrsh")
