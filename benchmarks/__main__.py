"""`python -m benchmarks [SUITE…]`: measure, print, exit 1 if a target is missed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

SUITES = (
    "engine",
    "flags",
    "startup",
    "pipeline",
    "history",
    "season",
    "core",
    "bulk",
    "completions",
    "logs",
    "logs_follow",
    "migration",
    "health",
    "ledger",
    "growth",
    "freshness",
    "query",
    "bq",
    "bq_costs",
    "warehouse",
    "bus",
    "batches",
    "bus_push",
    "predictions",
    "check",
    "services",
    "lint",
)

_AGAINST = "an older build: startup takes its interpreter, season the folder of its checkout (`git worktree add`)"


def main() -> int:
    """Measure the suites asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command after one warm-up")
    parser.add_argument("--most", type=int, default=10_000, metavar="N", help="growth: the largest size")
    parser.add_argument("--against", metavar="PYTHON", help=_AGAINST)
    options = parser.parse_args()
    if unknown := [name for name in options.suites if name not in SUITES]:
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    suites = options.suites or SUITES
    if len(suites) == 1:
        return _measure(suites[0], options.runs, options.against, options.most)
    # Each in a process of its own: what one has loaded would count as memory of the programs that the next one starts.
    one = [sys.executable, "-m", "benchmarks", "--runs", str(options.runs)]
    one += ["--most", str(options.most), *(["--against", options.against] if options.against else [])]
    return max([subprocess.run([*one, name], check=False).returncode for name in suites])


def _measure(suite: str, runs: int, against: str | None, most: int) -> int:
    missed = 0
    options: dict[str, dict[str, object]] = {
        "startup": {"against": against},
        "season": {"against": against},
        "growth": {"most": most},
    }
    extra = options.get(suite, {})
    for line in import_module(f"benchmarks.{suite}").measure(runs, **extra):
        verdict = {True: "met", False: "MISSED", None: ""}[line.met]
        missed += line.met is False
        target = "" if line.target is None else f"≤ {line.target:.2f}"
        print(f"{line.name:<28} {line.value:>8.2f} {line.unit:<18} {target:<9} {verdict:<7} {line.note}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
