"""What a check of `nbactl doctor` gets, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date, datetime
    from pathlib import Path

    from nbactl.checks.declared import Reported
    from nbactl.checks.subscriptions import SubscriptionFinding
    from nbactl.config.loader import Config
    from nbactl.config.settings import Settings
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.history import ProcessorRun
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.ports.documents import DocumentStore

Status = Literal["ok", "warn", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `fix` is what to do about it."""

    name: str
    status: Status
    message: str
    cause: str | None = None
    fix: str | None = None


class LocalWarehouse(Protocol):
    """What checks ask a warehouse file."""

    def list_tables(self) -> list[str]:
        """Return the names of its tables."""
        ...

    def changed_by_others(self, *, timeout: float) -> Mapping[str, Sequence[date]]:
        """Return by table the partitions whose rows another program changed; reads the whole file."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


Fields = tuple[tuple[str, str], ...]
"""The fields of an index, each with ASCENDING or DESCENDING."""


class GoogleProject(Protocol):
    """What checks ask a project of Google Cloud. Every method raises NbactlError where it cannot be read."""

    def identity(self) -> str:
        """Return who calls."""
        ...

    def granted(self, permissions: Iterable[str]) -> AbstractSet[str]:
        """Return those of `permissions` that the caller has on the whole project."""
        ...

    def dataset_locations(self) -> Mapping[str, str]:
        """Return the location of every dataset, in lower case."""
        ...

    def composite_indexes(self) -> Mapping[tuple[str, Fields], str]:
        """Return the state of every composite index of the database, such as READY."""
        ...

    def ttl_policies(self) -> Mapping[tuple[str, str], str]:
        """Return the state of every TTL policy by collection and field, such as ACTIVE."""
        ...

    def topics(self) -> AbstractSet[str]:
        """Return the names of the topics."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """Finished runs whose output is gone or replaced, each as the phase, the date and why; of `looked_at` runs."""

    runs: tuple[tuple[str, str, str], ...]
    looked_at: int


@dataclass(frozen=True, slots=True)
class Reports:
    """What production reported lately, by phase and date, and what is expected of it.

    `tasks` are the declared tasks; `history_problem` is why the run history could not be read.
    """

    documents: Mapping[tuple[str, GameDate], PhaseDocument]
    runs: Sequence[ProcessorRun]
    expected: Mapping[str, PhaseExpectation]
    tasks: frozenset[str]
    history_problem: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceProblems:
    """What is wrong with declared services, each as message, cause, what to do, and whether it keeps work from done."""

    found: Sequence[tuple[str, str | None, str, bool]]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class JobProblems:
    """The number of scheduled jobs, and what is wrong with some, each as message and what to do."""

    total: int
    found: Sequence[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class ServiceConfigs:
    """The digests of the configuration that services report in `/health`, and those that did not answer, with why.

    `committed` is the digest of the files as they are at HEAD of the repository, or where they are in none as they are
    on this machine. `silent` answered, and report no digest: old programs.
    """

    committed: str
    in_repository: bool
    reported: Mapping[str, str]
    unanswered: Mapping[str, str]
    silent: Sequence[str]


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What checks may look at; each callable raises NbactlError where it cannot.

    Where the configuration is wrong, all but `config` go by the files that come with nbactl.
    """

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    busy_timeout: float
    """Seconds to wait for another process's commit."""
    scan_timeout: float
    """Seconds in which a warehouse is to be read from end to end."""
    processors: Collection[str]
    """The names of the registered processors."""
    documents_file: Path
    """The embedded document store, which need not be there."""
    config: Callable[[], Config]
    open_embedded: Callable[[], DocumentStore]
    """Opens `documents_file`; the caller closes it."""
    open_documents: Callable[[], DocumentStore | None]
    """Opens the document store of the target; the caller closes it. None if it is not there yet."""
    open_warehouse: Callable[[Path], LocalWarehouse]
    """Opens a DuckDB file; the caller closes it."""
    recent_runs: Callable[[str | None], Sequence[Reported]]
    """Returns the newest runs of the target, those of a status if one is given; none where none was recorded."""
    last_decision: Callable[[], datetime | None]
    """Says when a tick decided on a workflow last; None if none ever did."""
    lost_outputs: Callable[[], Lost]
    """Judges the newest finished runs of the source by what is there of their output."""
    latest_game_date: Callable[[], date]
    """Asks the source."""
    ask_firestore: Callable[[], None]
    """Reads one document, which needs the client, the account, the network and the database."""
    project: Callable[[], GoogleProject]
    """Returns the project of target gcp; nothing is sent yet."""
    declared_datasets: Callable[[], AbstractSet[str]]
    """Returns the datasets of the declared tables."""
    declared_indexes: Callable[[], Sequence[tuple[str, Fields]]]
    """Returns the composite indexes that queries of nbactl need, by collection and fields."""
    declared_ttl: Callable[[], Sequence[tuple[str, str]]]
    """Returns the fields, by collection, by which documents expire."""
    declared_services: Callable[[], list[str]]
    """Returns the services that workflows.yaml names."""
    subscriptions: Callable[[], Sequence[SubscriptionFinding]]
    """Judges the subscriptions of the project."""
    service_problems: Callable[[], ServiceProblems]
    """Compares the declared services with what is deployed."""
    job_problems: Callable[[], JobProblems | None]
    """Looks at the scheduled jobs; None where nothing sends any: on this machine without `nbactl up`."""
    service_configs: Callable[[], ServiceConfigs | None]
    """Asks the services which configuration they use; None where no service runs."""
    production: Callable[[], Reports | None]
    """Reads what production reported in the last seven days; None where nothing was ever recorded."""
    hand_off_patience: float
    """Seconds for which a hand-off may be pending."""
    has_slack: Callable[[], bool]
    """Says whether alerts go to Slack. Raises ConfigError for an address that is not valid."""


Check = Callable[[CheckContext], Iterator[Finding]]


def unread(name: str) -> Finding:
    """Return the finding of a check that had nothing to read; the check of the documents says why."""
    return Finding(name, "skipped", "the documents cannot be read")
