"""Find, read and check the three YAML files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl.config import cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.config.flags import FlagsFile
    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import WorkflowsFile
    from nbactl.config.yamltext import Positions

FILES: Final = {"workflows": "workflows.yaml", "timeouts": "timeouts.yaml", "flags": "flags.yaml"}
_DIGEST_LENGTH: Final = 12


class Config:
    """What the three files say, and which files these are (keys as in FILES).

    `variables` has, by the name of a timeout, the environment variable that sets its limit.
    """

    def __init__(
        self,
        workflows: WorkflowsFile,
        timeouts: TimeoutsFile,
        flags: FlagsFile,
        *,
        files: Mapping[str, Path],
        variables: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> None:
        self.workflows = workflows
        self.timeouts = timeouts
        self.flags = flags
        self.files = files
        self.variables = variables
        self._environ = environ

    @cached_property
    def positions(self) -> Mapping[str, Positions]:
        """The position of each value (keys as in FILES); the files are read once more."""
        _, positions = _read(self.files, self._environ)
        return positions


def load_config(
    config_dir: Path | None = None, environ: Mapping[str, str] | None = None, *, cached: bool = True
) -> Config:
    """Return the checked configuration.

    It is taken from `config_dir`, else from the working directory if workflows.yaml is there, else from the package.
    Limits of timeouts may be set by `environ`, by default the environment of this process. A folder that is read once
    is not `cached`.
    Raises ConfigError that names every problem of all three files at once, in `details["problems"]`.
    """
    folder = config_dir or find_config_dir()
    files = {key: folder / name for key, name in FILES.items()}
    environ = os.environ if environ is None else environ
    stored = cache.ConfigCache(files, environ) if cached else None
    parts = None if stored is None else stored.load()
    if parts is None:
        parts, _ = _read(files, environ)
        if stored is not None:
            stored.store(parts)
    workflows, timeouts, flags, variables = parts
    return Config(workflows, timeouts, flags, files=files, variables=variables, environ=environ)


def _read(files: Mapping[str, Path], environ: Mapping[str, str]) -> tuple[cache.Parts, dict[str, Positions]]:
    """Return the checked files and their positions. Raises ConfigError."""
    from nbactl.config.flags import FlagsFile  # noqa: PLC0415 - only if the cache has no answer
    from nbactl.config.problems import config_error  # noqa: PLC0415
    from nbactl.config.source import read_config_file  # noqa: PLC0415
    from nbactl.config.timeouts import TimeoutsFile  # noqa: PLC0415
    from nbactl.config.workflows import WorkflowsFile  # noqa: PLC0415

    workflows, problems = read_config_file(WorkflowsFile, files["workflows"])
    timeouts, more = read_config_file(TimeoutsFile, files["timeouts"], environ)
    flags, most = read_config_file(FlagsFile, files["flags"])
    problems += more + most + check(workflows, timeouts, flags)
    if problems or workflows is None or timeouts is None or flags is None:
        raise config_error(problems)
    positions = {"workflows": workflows.positions, "timeouts": timeouts.positions, "flags": flags.positions}
    return (workflows.model, timeouts.model, flags.model, timeouts.variables), positions


def check(
    workflows: ConfigFile[WorkflowsFile] | None,
    timeouts: ConfigFile[TimeoutsFile] | None,
    flags: ConfigFile[FlagsFile] | None,
) -> list[Problem]:
    """Return what is wrong in the files that could be read."""
    from nbactl.config.check_flags import check_flags  # noqa: PLC0415 - only if the cache has no answer
    from nbactl.config.check_timeouts import check_timeouts  # noqa: PLC0415
    from nbactl.config.check_workflows import check_workflows  # noqa: PLC0415

    problems: list[Problem] = []
    if timeouts is not None:
        problems += check_timeouts(timeouts)
    if workflows is not None:
        problems += check_workflows(workflows, timeouts)
    if flags is not None:
        problems += check_flags(flags)
    return problems


def config_digest(config: Config) -> str:
    """Return a digest of every value in force; comments and the order of keys do not count."""
    import hashlib  # noqa: PLC0415 - only services ask
    import json  # noqa: PLC0415

    values = [file.as_data() for file in (config.workflows, config.timeouts, config.flags)]
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def find_config_dir() -> Path:
    """Return the working directory if workflows.yaml is there, else where the shipped files are."""
    here = Path.cwd()
    return here if (here / FILES["workflows"]).exists() else shipped_config_dir()


def shipped_config_dir() -> Path:
    """Return the folder of the files that come with nbactl: inside the package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]


def load_yaml(path: Path) -> tuple[Any, Positions]:
    """Return the data of a YAML file and where they stand; sequences are tuples.

    Raises ConfigError with file, line and column if the file cannot be read or is not a single YAML document.
    """
    from nbactl.config.problems import config_error  # noqa: PLC0415
    from nbactl.config.source import read_positions  # noqa: PLC0415

    positions, problems = read_positions(path)
    if problems or positions is None:
        raise config_error(problems)
    return positions.root.data, positions
