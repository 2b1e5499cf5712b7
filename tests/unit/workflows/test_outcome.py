from __future__ import annotations

from typing import Literal

import pytest

from nbactl.workflows.model import RunReport, exit_code
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
        (["failed", "cancelled"], None, 130),
        (["failed"], "SIGINT", 130),
        (["cancelled"], "SIGTERM", 143),
    ],
)
def test_the_exit_code_is_that_of_the_worst_run(
    statuses: list[str], signal: Literal["SIGINT", "SIGTERM"] | None, code: int
) -> None:
    assert exit_code(RunReport(tuple(run(status=status) for status in statuses), interrupted_by=signal)) == code
