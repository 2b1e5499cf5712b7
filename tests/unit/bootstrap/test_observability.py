"""Metrics and the query cache as the application wires them."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.config.loader import load_config
from nbactl.config.settings import load_settings
from nbactl.core import flags
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.core.flags import Flags, Stored
from nbactl.core.observe.events import Event, combined, noop_hook
from nbactl.core.observe.metrics import Metrics
from nbactl.ports.documents import Create
from nbactl.workflows.model import RunRequest
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.core.observe.events import Hook

ONE = "SELECT 1 AS one"


def application(folder: Path, hook: Hook = noop_hook) -> Container:
    return Container(load_settings({"state_dir": str(folder / "state")}, {}, folder), hook=hook)


def test_what_services_do_is_counted_by_the_metrics_that_hear_of_it(tmp_path: Path) -> None:
    metrics, heard = Metrics(), list[Event]()
    with application(tmp_path, combined(metrics.hook, heard.append)) as made:
        made.documents.commit([Create("a/b", {})])
        made.warehouse.query(ONE, timeout=20.0)
        made.completions.create_batch("b", GameDate(date(2024, 1, 15)), 2, "corr")
        made.completions.record_completion("b", "lukadoncic", 5)
        text = metrics.exposition().decode()
    assert 'nbactl_document_writes_total{operation="commit"} 3.0' in text  # with the batch and its array
    assert 'nbactl_completions_total{outcome="recorded"} 1.0' in text
    assert 'nbactl_warehouse_queries_total{answered_by="engine"} 1.0' in text
    assert {event.kind for event in heard} >= {"documents.written", "warehouse.queried", "completions.recorded"}


@pytest.fixture
def no_flags() -> Iterator[None]:
    before = flags.use(None)
    yield
    flags.use(before)


@pytest.mark.usefixtures("no_flags")
@pytest.mark.parametrize(("environ", "hits"), [(None, 0), ({}, 0), ({"ENABLE_QUERY_CACHING": "true"}, 1)])
def test_queries_are_cached_when_the_flag_says_so(tmp_path: Path, environ: dict[str, str] | None, hits: int) -> None:
    with application(tmp_path) as made:
        if environ is not None:
            definitions = load_config(None).flags.definitions()
            flags.use(
                Flags(
                    definitions,
                    lambda: Stored({}, {}),
                    environ=environ,
                    clock=made.clock,
                    rng=random.Random(1),
                    every=60.0,
                )
            )
        found = [made.warehouse.query(ONE, timeout=20.0) for _ in range(2)]
    assert [result.rows for result in found] == [[(1,)]] * 2
    assert sum(result.cache_hit for result in found) == hits


def test_no_command_loads_the_client_of_prometheus(tmp_path: Path) -> None:
    commands = ["--help", "flags list", "runs list", "status", "run phase1"]
    code = (
        "import sys\n"
        "from nbactl.cli.main import main\n"
        "for line in sys.argv[1:]:\n"
        "    main(line.split())\n"
        "    print('loaded by', line, 'prometheus_client' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *commands],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    loaded = [line.removeprefix("loaded by ") for line in done.stdout.splitlines() if line.startswith("loaded by ")]
    assert loaded == [f"{command} False" for command in commands]


def test_a_run_and_its_tasks_are_counted_by_the_metrics_of_the_container(tmp_path: Path) -> None:
    metrics, heard, observed = Metrics(), list[Event](), list[str]()
    day = GameDate(date(2024, 12, 1))
    with application(tmp_path, combined(metrics.hook, heard.append)) as made:
        report = made.runner.execute(
            RunRequest(("phase1",), (day,)),
            observer=lambda event: observed.append(event.kind),
            cancellation=Cancellation(),
        )
    (run,) = report.runs
    assert run.status == "succeeded"
    lines = metrics.exposition().decode().splitlines()
    assert 'nbactl_runs_started_total{name="phase1"} 1.0' in lines
    assert 'nbactl_runs_total{name="phase1",status="succeeded"} 1.0' in lines
    assert 'nbactl_run_duration_seconds_count{name="phase1"} 1.0' in lines
    assert any(line.startswith('nbactl_run_last_success_timestamp_seconds{name="phase1"} 1.') for line in lines)
    for task in run.tasks:
        assert f'nbactl_tasks_total{{status="succeeded",task="{task.name}"}} 1.0' in lines
        assert f'nbactl_task_attempts_total{{task="{task.name}"}} 1.0' in lines
        assert f'nbactl_task_rows_total{{task="{task.name}"}} {float(task.rows or 0)}' in lines
        assert f'nbactl_task_duration_seconds_count{{task="{task.name}"}} 1.0' in lines
    emitted = [event.kind for event in heard if event.kind.startswith(("run.", "task."))]
    assert emitted == [kind.replace("_", ".") for kind in observed], "after the observer, in the same order"
