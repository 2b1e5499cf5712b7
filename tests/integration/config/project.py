"""A project whose configuration a test changes key by key, and runs through the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbactl.cli.main import main
from nbactl.config.loader import FILES, Config, load_config, load_yaml
from tests.kit.config_files import problems, small_config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

Mapping = dict[str, Any]


class Project:
    """The small files as data: change `workflows`, `timeouts` or `flags`, then load or run them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = small_config(folder)
        self.capsys = capsys
        self.workflows: Mapping = self._read("workflows")
        self.timeouts: Mapping = self._read("timeouts")
        self.flags: Mapping = self._read("flags")

    def call(self, name: str, function: str, **keys: Any) -> None:
        """Declare a task that calls one of tests/integration/config/task_functions.py."""
        task = {
            "description": name,
            "call": f"tests.integration.config.task_functions:{function}",
            "timeout": "task.fetch",
            **keys,
        }
        self.workflows["tasks"][name] = task

    def workflow(self, *tasks: Any, **keys: Any) -> None:
        """Declare the workflow `w`."""
        self.workflows["workflows"]["w"] = {"description": "Under test", "tasks": list(tasks), **keys}

    def phase(self, *tasks: Any, **keys: Any) -> None:
        """Declare the phase `p`."""
        phase = {"description": "Under test", "service": "s", "topic": "t", "tasks": list(tasks), **keys}
        self.workflows["phases"]["p"] = phase

    def timeout(self, name: str, limit: str) -> None:
        """Declare a timeout."""
        self.timeouts["timeouts"][name] = {"limit": limit, "why": "A reason of ten letters"}

    def load(self) -> Config:
        """Write the files and load them."""
        self._write()
        return load_config(self.folder)

    def problems(self) -> list[str]:
        """Write the files and return what is wrong, without places."""
        self._write()
        return [line.partition(": ")[2] for line in problems(self.folder)]

    def run(self, *arguments: str, date: str = "2024-01-15") -> list[Mapping]:
        """Write the files and call `nbactl run`; returns `data.runs`."""
        return list(self.command("run", "--date", date, *arguments)["data"]["runs"])

    def command(self, *arguments: str) -> Mapping:
        """Write the files and call nbactl; returns its JSON document."""
        self._write()
        shared = ("--config-dir", str(self.folder), "--state-dir", str(self.folder / "state"), "-o", "json")
        main([*arguments, *shared])
        self.captured = self.capsys.readouterr()
        document: Mapping = json.loads(self.captured.out)
        return document

    def _read(self, key: str) -> Mapping:
        data, _ = load_yaml(self.folder / FILES[key])
        copy: Mapping = json.loads(json.dumps(data))  # tuples to lists
        return copy

    def _write(self) -> None:
        for key, name in FILES.items():
            (self.folder / name).write_text(json.dumps(getattr(self, key)))  # JSON is YAML
