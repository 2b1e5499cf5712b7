"""What `nbactl up` does with each line of its services: it is shown, and kept for `nbactl logs`."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nbactl.bootstrap import Container
from nbactl.bootstrap.logs import make_logs
from nbactl.bootstrap.up import Up, UpRequest
from nbactl.config.settings import load_settings
from nbactl.ports.logs import LogQuery
from nbactl.services.instance import LogLine

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime.now(UTC)
LINES = [
    LogLine("worker", "ERROR", "failed", {"time": AT.isoformat(), "message": "failed", "rows": 3}, "worker-00002"),
    LogLine("worker", "INFO", "plain text", {}, "worker-00002"),
]


def _shown(folder: Path) -> list[LogLine]:
    """Return the lines that are shown of a container on this folder."""
    with Container(load_settings({"state_dir": str(folder)}, {}, folder)) as app:
        shown: list[LogLine] = []
        up = Up(app, UpRequest(None), shown.append)
        with closing(up._files):
            for line in LINES:
                up._take(line)
            up._show(0)
        return shown


def test_a_line_is_shown_and_kept_with_its_revision(tmp_path: Path) -> None:
    assert _shown(tmp_path) == LINES
    with Container(load_settings({"state_dir": str(tmp_path)}, {}, tmp_path)) as app:
        kept = list(make_logs(app).search(LogQuery(AT - timedelta(hours=1)), limit=9))
    assert [(one.severity, one.message, one.revision, dict(one.fields)) for one in kept] == [
        ("ERROR", "failed", "worker-00002", {"rows": 3}),
        ("INFO", "plain text", "worker-00002", {}),
    ]
    assert kept[0].at == AT


def test_lines_that_cannot_be_kept_are_shown_and_that_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "service-logs").touch()
    shown = _shown(tmp_path)
    assert [line for line in shown if line.service == "worker"] == LINES
    (warning,) = [line for line in shown if line.service == "up"]
    assert (warning.severity, "not kept for `nbactl logs`" in warning.message) == ("WARNING", True)
