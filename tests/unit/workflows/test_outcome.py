from __future__ import annotations

from typing import Literal

import pytest

from nbactl.workflows.attempt import judge_run
from nbactl.workflows.model import RunReport, TaskRecord, TaskStatus, exit_code
from nbactl.workflows.stop import Stop, deadline_passed
from tests.kit.run_records import run


@pytest.mark.parametrize(
    ("statuses", "signal", "code"),
    [
        ([], None, 0),
        (["succeeded"], None, 0),
        (["skipped", "succeeded"], None, 0),
        (["succeeded", "partial"], None, 3),
        (["failed", "partial", "succeeded"], None, 1),
        (["partial", "failed"], None, 1),
        (["partial", "detached", "succeeded"], None, 8),
        (["failed", "detached"], None, 1),
        (["detached", "cancelled"], None, 130),
        (["failed", "cancelled"], None, 130),
        (["failed"], "SIGINT", 130),
        (["cancelled"], "SIGTERM", 143),
    ],
)
def test_the_exit_code_is_that_of_the_worst_run(
    statuses: list[str], signal: Literal["SIGINT", "SIGTERM"] | None, code: int
) -> None:
    assert exit_code(RunReport(tuple(run(status=status) for status in statuses), interrupted_by=signal)) == code


@pytest.mark.parametrize(
    ("tasks", "stop", "status"),
    [
        ([("detached", True), ("succeeded", True)], None, "detached"),
        ([("detached", True), ("skipped", True)], deadline_passed(5.0), "detached"),
        ([("detached", True), ("failed", True)], None, "failed"),
        ([("detached", True), ("timed_out", True)], None, "failed"),
        ([("detached", True), ("failed", False)], None, "detached"),
        ([("detached", False), ("succeeded", True)], None, "detached"),
        ([("detached", True)], Stop("cancelled", "interrupted (Ctrl-C)"), "cancelled"),
        ([("detached", True)], Stop("lease_lost", "taken over"), "failed"),
    ],
)
def test_a_run_whose_services_still_work_is_detached_unless_it_failed(
    tasks: list[tuple[str, bool]], stop: Stop | None, status: str
) -> None:
    records = [TaskRecord(f"t{number}", need, TaskStatus(state)) for number, (state, need) in enumerate(tasks)]
    assert judge_run(records, stop, settled=True).value == status
