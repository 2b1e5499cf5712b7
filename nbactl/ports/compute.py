"""The compute port: how one task is executed, once."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbactl.ports.warehouse import Fence

WorkKind = Literal["processor", "call", "command", "service"]


@frozen
class Work:
    """What a task does: a registered processor, a Python function, a command or a service call.

    `target` is the processor's name, `package.module:function`, the command line (argv) or the service's name.
    """

    kind: WorkKind
    target: str | tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    isolate: bool = False


@frozen
class TaskCall:
    """One attempt at one task. `timeout` is in seconds."""

    run_id: str
    run_name: str
    task: str
    game_date: date
    attempt: int
    timeout: float
    work: Work
    correlation_id: str
    source: str
    wait: bool = True
    """Whether to wait for a service that works on after the call, else StillRunningError is raised."""
    forced: bool = False
    """Whether it starts over, whatever an earlier run left under way."""

    @property
    def labels(self) -> dict[str, str]:
        """Job labels that name the run (lower case, as BigQuery wants them)."""
        return {"run_id": self.run_id, "task": self.task, "game_date": self.game_date.isoformat()}


@frozen
class Versions:
    """What a task was made of and what it made: a finished task is fresh while all of it still holds.

    `code` is a digest of its statement or module and its parameters. `reads` and `writes` have a digest of values by
    resource: `source:DATASET` is what the source gives of the date, `raw:DATASET` the date's raw file, `aliases` the
    players' other names, `dataset.table` the partitions of the window that the task reads (for `writes`: the partition
    of its date).
    """

    code: str
    reads: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, str] = field(default_factory=dict)


@frozen
class TaskOutcome:
    """What a task reports. `rows` is None where the task declares that it writes none (`output: none`).

    Sentences in `detail["warnings"]` become warnings of the run, those in `detail["notes"]` notes on stderr.
    `versions` is None where nobody can say whether the result is still fresh. `incomplete` names what the date lacks
    though the task did its work, a phrase for each: `0022400551 LAL at MIA is not over`.
    """

    rows: int | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    versions: Versions | None = None
    incomplete: tuple[str, ...] = ()


@frozen
class TaskContext:
    """What a task function is called with."""

    call: TaskCall
    fence: Fence

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The task's `with:` values from workflows.yaml."""
        return self.call.work.parameters


class SetCompute(Protocol):
    """Execution of one task for many dates at once."""

    def takes_sets(self, work: Work) -> bool:
        """Say whether the work of a date needs nothing that a later task of an earlier date makes.

        Only then may its dates be done at once, or a phase for many dates before the next phase.
        """
        ...

    async def run_set(self, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
        """Execute the same task once for many dates; returns for each what it gives or raises.

        Raises what concerns no single date; then nothing was done for any. Cancelling is as in Compute.
        """
        ...


class Compute(Protocol):
    """Execution of tasks."""

    async def run(self, context: TaskContext) -> TaskOutcome:
        """Execute the task once; raises what the task raised.

        Cancelling the coroutine stops an async task and kills a process; a sync task in a thread cannot be
        stopped, so its fence must be revoked by the caller.
        """
        ...
