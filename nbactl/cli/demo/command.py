"""The demo: a folder of its own with sample batches, to rehearse the completions migration with short waiting times."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap import Container
from nbactl.cli.demo.samples import LIVE, player, predictions, sample_batches
from nbactl.config.loader import FILES, shipped_config_dir
from nbactl.config.settings import SETTINGS_FILE
from nbactl.core.completions.documents import BATCHES, batch_path
from nbactl.errors import AlreadyExistsError, NotAuthorisedError, NotFoundError, PreconditionError
from nbactl.migrations.completions.gates import COMMAND
from nbactl.ports.documents import Create

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from nbactl.core.completions.batches import Progress

_MARK: Final = "# Made by `nbactl demo`."
_SETTINGS: Final = f'{_MARK}\ntarget = "local"\nstate_dir = "state"\n'
_DURATIONS: Final = {
    "completions.stage_ttl": "1s",
    "documents.write": "1s",
    "migration.settle_margin": "1s",
    "migration.watch_every": "5s",
    "migration.reads_bake": "20s",
    "migration.cleanup_bake": "20s",
}
"""What the demo waits, so that a month passes within minutes."""


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One command of the rehearsal, and what it does."""

    command: str
    what: str


STEPS: Final = (
    DemoStep(f"{COMMAND} --plan", "Show what there is to do"),
    DemoStep(f"{COMMAND} --start-dual-write", "Write both sides"),
    DemoStep(f"{COMMAND} --backfill", "Copy the arrays"),
    DemoStep(f"{COMMAND} --validate", "Find what is wrong (exit 1)"),
    DemoStep(f"{COMMAND} --repair --dry-run", "Show the repair"),
    DemoStep(f"{COMMAND} --repair", "Repair it"),
    DemoStep(f"{COMMAND} --validate", "Prove that both sides agree"),
    DemoStep(f"{COMMAND} --switch-reads", "Read the new side"),
    DemoStep(f"{COMMAND} --rollback", "Try the way back"),
    DemoStep(f"{COMMAND} --validate", "Prove it again"),
    DemoStep(f"{COMMAND} --switch-reads", "Read the new side again"),
    DemoStep(f"{COMMAND} --validate", "Prove it once more"),
    DemoStep(f"{COMMAND} --stop-dual-write", "Write only the new side"),
    DemoStep(f"{COMMAND} --cleanup", "Save and remove the arrays"),
    DemoStep(COMMAND, "Show the stage and its history"),
)
"""The rehearsal from beginning to end. A step that comes too early is refused and says how long to wait."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo: where it is, which batches this call created, how many there are, and the stage.

    `overriding` names environment variables that would lead commands in the folder elsewhere.
    """

    folder: Path
    created: tuple[str, ...]
    batches: int
    stage: str
    overriding: tuple[str, ...]


def create_demo(app: Container) -> Demo:
    """Create the sample batches; those that exist are not changed.

    Raises NotAuthorisedError on target gcp, PreconditionError if the folder has files or batches of somebody else.
    """
    folder = _folder(app)
    if folder.is_dir() and any(folder.iterdir()) and not _is_demo(folder):
        raise PreconditionError(
            f"{folder} is not a demo",
            cause=f"It has files, but no {SETTINGS_FILE} of `nbactl demo`.",
            next_step="Move it away, or choose another folder with --state-dir.",
        )
    _write_files(folder)
    with _open(app, folder) as demo:
        samples = list(sample_batches(demo.clock.now()))
        existing = set(demo.documents.list_ids(BATCHES))
        if other := sorted(existing - {sample["batch_id"] for sample in samples}):
            raise PreconditionError(
                f"{folder} has batches that are not samples: {', '.join(other[:3])}",
                cause="The demo works only on batches of its own.",
                next_step="Move the folder away, or choose another one with --state-dir.",
            )
        writes = [Create(batch_path(sample["batch_id"]), sample) for sample in samples]
        created = []
        for sample, result in zip(samples, demo.documents.batch_write(writes), strict=True):
            if result.error is None:
                created.append(sample["batch_id"])
            elif not isinstance(result.error, AlreadyExistsError):
                raise result.error
        origins = [app.settings.origins[name] for name in ("config_dir", "state_dir")]
        return Demo(
            folder,
            tuple(created),
            len(samples),
            demo.completions_migration.stage.value,
            tuple(origin.removeprefix("env ") for origin in origins if origin.startswith("env ")),
        )


def grow_live_batch(app: Container, rounds: Iterable[object]) -> Iterator[Progress]:
    """Record one completion in the live batch per item of `rounds`, as a service does; ends when it is complete."""
    folder = _folder(app)
    if not _is_demo(folder):
        raise NotFoundError("there is no demo yet", next_step="Create it: nbactl demo")
    with _open(app, folder) as demo:
        progress = demo.completions.progress(LIVE)
        for _ in rounds:
            if progress.is_complete:
                return
            number = progress.completed + 1
            progress = demo.completions.record_completion(LIVE, player(number), predictions(number)).progress
            yield progress


def _folder(app: Container) -> Path:
    """Return the demo that the settings are in, else the one beside their state. Raises NotAuthorisedError on gcp."""
    if app.settings.target != "local":
        raise NotAuthorisedError(
            f"there is no demo on target {app.settings.target}",
            cause="Sample batches must never be among real ones.",
            next_step="Run it on this machine: nbactl demo --target local",
        )
    state = app.settings.state_dir
    return state.parent if state.name == "state" and _is_demo(state.parent) else state / "demo"


def _is_demo(folder: Path) -> bool:
    file = folder / SETTINGS_FILE
    return file.is_file() and file.read_text(encoding="utf-8").startswith(_MARK)


def _open(app: Container, folder: Path) -> Container:
    return Container(replace(app.settings, config_dir=folder, state_dir=folder / "state", project=None))


def _write_files(folder: Path) -> None:
    """Write the settings and the three YAML files, with short durations; existing files are not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {SETTINGS_FILE: _SETTINGS}
    for name in FILES.values():
        contents[name] = (shipped_config_dir() / name).read_text(encoding="utf-8")
    timeouts = contents[FILES["timeouts"]]
    for name, limit in _DURATIONS.items():
        timeouts = re.sub(rf"(?m)^(  {re.escape(name)}:\n    limit: ).*$", rf"\g<1>{limit}", timeouts)
    contents[FILES["timeouts"]] = timeouts
    for name, text in contents.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
