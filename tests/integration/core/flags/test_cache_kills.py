"""Killed while the last known flags are written: what is on disk is one whole state or the other (invariant 20)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from nbactl.core.flags import StateCache
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KILLS, FLAGS = 12, 200
WRITER = f"""
import sys
from pathlib import Path
from nbactl.core.flags import StateCache
from tests.kit.flags import state

cache = StateCache(Path(sys.argv[1]))
versions = [{{f"flag_{{n}}": state(percent, f"flag_{{n}}", version=v) for n in range({FLAGS})}}
            for v, percent in ((1, 10), (2, 90))]
cache.save(versions[0])
print("begun", flush=True)
while True:
    for states in versions[::-1]:
        cache.save(states)
"""


def test_inv_20_a_kill_while_flags_are_written_leaves_a_whole_file(tmp_path: Path) -> None:
    rng = random.Random(20240115)
    cache = StateCache(tmp_path / "flags.json")
    seen = set()
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(cache.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        time.sleep(rng.uniform(0.0, 0.05))
        writer.kill()
        assert writer.wait(20) == -signal.SIGKILL
        writer.stdout.close()
        states = cache.load()
        assert len(states) == FLAGS
        kinds = {(state.percent, state.version) for state in states.values()}
        assert kinds in ({(10.0, 1)}, {(90.0, 2)}), "never a part of the one and a part of the other"
        seen |= kinds
    for _ in range(2):
        cache.save({})
        time.sleep(0.02)  # longer than the steps in which a file system counts time
    assert cache.load() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["flags.json"], "what killed writers left is cleared away"
