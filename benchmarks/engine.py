"""Engine overhead: `nbactl run` of five graphs, whole process with its durable ledger, beside the floor."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.engine_shapes import SHAPES
from benchmarks.measure import Command, Line, Sample, in_turn, nbactl

ROOT = Path(__file__).resolve().parents[1]
# Ratio of wall time to the floor that TARGETS allows for each graph (target seconds over floor seconds).
TARGETS = {
    "one": 0.35 / 0.09,
    "wide": 0.45 / 0.193,
    "chain": 0.42 / 0.142,
    "diamond": 0.65 / 0.298,
    "network": 0.60 / 0.36,
}
MAX_CPU_MS_PER_TASK = 1.0
MAX_PEAK_MB = 60.0

_HEADER = """\
version: 1
timezone: America/New_York
phases: {}
alerts:
  run_failed: {severity: critical, channels: [log]}
  run_partial: {severity: warning, channels: [log]}
"""


def write_config(folder: Path, shape: str) -> None:
    """Write a configuration whose one workflow is the graph: as the floor, a run reads no others."""
    folder.mkdir()
    tasks = ["tasks:"]
    workflows = ["workflows:", f"  {shape}:\n    description: benchmark\n    max_workers: 256\n    tasks:"]
    for task, (needs, seconds) in SHAPES[shape]().items():
        tasks.append(
            f"  {task}: {{description: benchmark, call: 'benchmarks.engine_tasks:work', "
            f"with: {{seconds: {seconds}}}, timeout: task.analytics, output: none}}"
        )
        workflows.append(f"      - {{task: {task}, needs: [{', '.join(needs)}]}}")
    (folder / "workflows.yaml").write_text("\n".join([_HEADER, *tasks, *workflows, ""]))
    for shared in ("timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / shared, folder / shared)


def measure(runs: int) -> list[Line]:
    """Run every graph on the floor and on nbactl in turn."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours: dict[str, Sample] = {}
        for shape in SHAPES:
            write_config(folder / shape, shape)

            def floor(shape: str = shape) -> list[str]:
                return [sys.executable, "-m", "benchmarks.engine_floor", shape, tempfile.mktemp(dir=folder)]  # noqa: S306

            def own(shape: str = shape) -> list[str]:
                state = tempfile.mkdtemp(dir=folder)
                common = ("--config-dir", str(folder / shape), "--state-dir", state)
                return nbactl(*common, "run", shape, "--date", "2024-01-15", "-o", "json")

            taken = in_turn([Command("floor", floor, cwd=ROOT), Command("nbactl", own, cwd=ROOT)], runs)
            ours[shape] = taken["nbactl"]
            ratio = taken["nbactl"].wall / taken["floor"].wall
            lines.append(Line(f"engine {shape}", ratio, "x floor wall", TARGETS[shape], _walls(taken)))
        per_task = (ours["wide"].cpu - ours["one"].cpu) / (len(SHAPES["wide"]()) - 1) * 1000
        lines.append(Line("engine CPU per task", per_task, "ms", MAX_CPU_MS_PER_TASK, "100 tasks less 1 task"))
        lines.append(Line("engine peak memory", max(s.peak_mb for s in ours.values()), "MB", MAX_PEAK_MB))
    return lines


def _walls(taken: dict[str, Sample]) -> str:
    return ", ".join(f"{name} {sample.wall:.2f} s" for name, sample in taken.items())
