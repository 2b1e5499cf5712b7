"""Find, read and check the three YAML files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl.config.check_flags import check_flags
from nbactl.config.check_timeouts import check_timeouts
from nbactl.config.check_workflows import check_workflows
from nbactl.config.flags import FlagsFile
from nbactl.config.problems import config_error
from nbactl.config.source import read_config_file, read_positions
from nbactl.config.timeouts import TimeoutsFile
from nbactl.config.workflows import WorkflowsFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.yamltext import Positions


def check(
    workflows: ConfigFile[WorkflowsFile] | None,
    timeouts: ConfigFile[TimeoutsFile] | None,
    flags: ConfigFile[FlagsFile] | None,
) -> list[Problem]:
    """Return what is wrong in the files that could be read."""
    problems: list[Problem] = []
    if timeouts is not None:
        problems += check_timeouts(timeouts)
    if workflows is not None:
        problems += check_workflows(workflows, timeouts)
    if flags is not None:
        problems += check_flags(flags)
    return problems


_SHOWN: Final = 12


def config_digest(config: Config) -> str:
    """Return a digest of every value in force; comments and the order of keys do not count."""
    digest = hashlib.sha256()
    for file in (config.workflows, config.timeouts, config.flags):
        digest.update(file.model_dump_json(by_alias=True).encode())
    return digest.hexdigest()[:_SHOWN]


FILES = {"workflows": "workflows.yaml", "timeouts": "timeouts.yaml", "flags": "flags.yaml"}


@dataclass(frozen=True, slots=True)
class Config:
    """What the three files say, which files these are, and where each value stands (keys as in FILES).

    `variables` has, by the name of a timeout, the environment variable that sets its limit.
    """

    workflows: WorkflowsFile
    timeouts: TimeoutsFile
    flags: FlagsFile
    files: Mapping[str, Path]
    positions: Mapping[str, Positions]
    variables: Mapping[str, str] = field(default_factory=dict)


def load_config(config_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Return the checked configuration.

    It is taken from `config_dir`, else from the working directory if workflows.yaml is there, else from the package.
    Limits of timeouts may be set by `environ`, by default the environment of this process.
    Raises ConfigError that names every problem of all three files at once, in `details["problems"]`.
    """
    folder = config_dir or find_config_dir()
    files = {key: folder / name for key, name in FILES.items()}
    workflows, problems = read_config_file(WorkflowsFile, files["workflows"])
    timeouts, more = read_config_file(TimeoutsFile, files["timeouts"], os.environ if environ is None else environ)
    flags, most = read_config_file(FlagsFile, files["flags"])
    problems += more + most + check(workflows, timeouts, flags)
    if problems or workflows is None or timeouts is None or flags is None:
        raise config_error(problems)
    positions = {"workflows": workflows.positions, "timeouts": timeouts.positions, "flags": flags.positions}
    return Config(workflows.model, timeouts.model, flags.model, files, positions, timeouts.variables)


def find_config_dir() -> Path:
    """Return the working directory if workflows.yaml is there, else where the shipped files are."""
    here = Path.cwd()
    return here if (here / FILES["workflows"]).is_file() else shipped_config_dir()


def shipped_config_dir() -> Path:
    """Return the folder of the files that come with nbactl: inside the package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]


def load_yaml(path: Path) -> tuple[Any, Positions]:
    """Return the data of a YAML file and where they stand; sequences are tuples.

    Raises ConfigError with file, line and column if the file cannot be read or is no single YAML document.
    """
    positions, problems = read_positions(path)
    if problems or positions is None:
        raise config_error(problems)
    return positions.root.data, positions
