"""An operator at the command line: every command a process of its own, killed at will and given again."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kit.engines import Engine

NOT_YET: Final = {6, 7}
"""A gate that only time opens (some writer may not know of the last step), and a store that did not answer."""
STAGE_TTL: Final = 0.3
WRITE: Final = 1.5
PATIENCE: Final = 60.0
"""Limits in seconds."""


def configuration(folder: Path, limits: Mapping[str, str] | None = None) -> Path:
    """Write the shipped configuration with limits that tests can wait for; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("workflows.yaml", "flags.yaml"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    timeouts = yaml.safe_load((ROOT / "timeouts.yaml").read_text(encoding="utf-8"))
    short = {
        "completions.stage_ttl": f"{STAGE_TTL}s",
        "documents.write": f"{WRITE}s",
        "migration.settle_margin": "100ms",
        "migration.reads_bake": "100ms",
        "migration.cleanup_bake": "100ms",
        "migration.poll": "50ms",
    }
    for name, limit in {**short, **(limits or {})}.items():
        timeouts["timeouts"][name]["limit"] = limit
    (folder / "timeouts.yaml").write_text(yaml.safe_dump(timeouts), encoding="utf-8")
    return folder


@dataclass(slots=True)
class Answer:
    """What a command said."""

    code: int
    data: dict[str, Any]
    said: str

    @property
    def stage(self) -> str:
        stage: str = self.data["stage"]
        return stage


@dataclass(slots=True)
class Operator:
    """Gives `nbactl migrate completions` its actions.

    `kills` counts the SIGKILLs, by the instant; `log` has each command with its exit code and how long it took.
    """

    engine: Engine
    config: Path
    kills: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def where(self) -> list[str]:
        return [*self.engine.arguments(), "--config-dir", str(self.config)]

    def environment(self, faults: str = "") -> dict[str, str]:
        return {**os.environ, **self.engine.environment(), "NBACTL_FAULTS": faults}

    def call(self, *arguments: str, faults: str = "") -> Answer:
        """Give one command to the end of its process."""
        began = time.monotonic()
        done = run_nbactl(
            ["migrate", "completions", *arguments, "--yes", "-o", "json", *self.where()],
            cwd=ROOT,
            env=self.environment(faults),
        )
        self.log.append(f"{' '.join(arguments)} {faults}: {done.returncode} in {time.monotonic() - began:.1f} s")
        if done.returncode == -signal.SIGKILL:
            return Answer(done.returncode, {}, "")
        said = f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        assert done.stdout, said
        return Answer(done.returncode, json.loads(done.stdout)["data"] or {}, said)

    def until_done(self, *arguments: str, expect: int = 0, patience: float = PATIENCE) -> Answer:
        """Give a command until it is done, for as long as only time or the store is in its way."""
        give_up = time.monotonic() + patience
        while True:
            answer = self.call(*arguments)
            if answer.code == expect:
                return answer
            assert answer.code in NOT_YET, answer.said
            assert time.monotonic() < give_up, answer.said
            time.sleep(0.2)

    def killed_at(self, instant: str, *arguments: str) -> Answer | None:
        """Give a command that is killed at an instant; `NAME@3` is the third time that it comes by.

        One that does not come by there has to be done: its answer is returned.
        """
        name, _, hit = instant.partition("@")
        give_up = time.monotonic() + PATIENCE
        while (answer := self.call(*arguments, faults=f"{name}=kill@{hit or 1}")).code in NOT_YET:
            assert time.monotonic() < give_up, answer.said
            time.sleep(0.2)
        if answer.code == -signal.SIGKILL:
            self.kills[name] = self.kills.get(name, 0) + 1
            return None
        assert answer.code == 0, answer.said
        return answer
