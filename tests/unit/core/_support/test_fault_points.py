"""The kill loops leave out no dangerous instant that the code names."""

from __future__ import annotations

import re

from tests.kit.paths import ROOT

REACHED = re.compile(r'reach\("([\w.]+)"\)')


def test_inv_05_inv_07_the_kill_loops_kill_at_every_point_of_what_they_prove() -> None:
    for package, worker in (("core/once", "idempotency_worker.py"), ("core/outbox", "outbox_killed.py")):
        code = ROOT / "nbactl" / package
        paths = [code] if code.is_file() else list(code.rglob("*.py"))
        points = {point for path in paths for point in REACHED.findall(path.read_text())}
        points |= {"documents.before_commit", "documents.after_commit"}
        worker_text = (ROOT / "tests" / "conformance" / worker).read_text()
        assert {point for point in points if f'"{point}"' not in worker_text} == set(), worker
