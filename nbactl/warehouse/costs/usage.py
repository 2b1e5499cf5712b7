"""What jobs used, summed up in groups: by label, user, table, query, hour or service."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.ports.warehouse import WarehouseJob

By = Literal["label", "user", "table", "query", "hour", "service"]
OTHER: Final = "(other)"
"""The group of jobs that come after MOST_GROUPS groups were found."""
MOST_GROUPS: Final = 20_000
NONE: Final = "(none)"
CACHED: Final = "(cache hit)"
"""BigQuery gives cache hits neither tables nor hash: https://cloud.google.com/bigquery/docs/information-schema-jobs."""
STAGING: Final = "nbactl_staging_"
"""What the names of tables begin with that nbactl loads rows into, each once."""
_ROBOT: Final = ".gserviceaccount.com"


@dataclass(slots=True)
class Usage:
    """Sums over jobs. `billed` are bytes, `slot_ms` milliseconds of slots."""

    jobs: int = 0
    failed: int = 0
    cache_hits: int = 0
    billed: int = 0
    slot_ms: int = 0

    def add(self, job: WarehouseJob) -> None:
        """Count a job."""
        self.jobs += 1
        self.failed += job.error is not None
        self.cache_hits += job.cache_hit
        self.billed += job.bytes_billed
        self.slot_ms += job.slot_ms

    @property
    def slot_hours(self) -> float:
        """The slot time in hours of one slot."""
        return self.slot_ms / 3_600_000


@dataclass(slots=True)
class GroupUsage:
    """The usage of a group in the time asked for, and in as much time before; `days` are bytes billed by day."""

    name: str
    now: Usage = field(default_factory=Usage)
    before: Usage = field(default_factory=Usage)
    days: array[int] = field(default_factory=lambda: array("q"))


class Groups:
    """Groups by name. Memory is bounded: jobs of further groups than MOST_GROUPS are counted as one other group."""

    def __init__(self, days: int) -> None:
        self._days = days
        self.found: dict[str, GroupUsage] = {}

    def get(self, name: str) -> GroupUsage:
        """Return the group of a name."""
        group = self.found.get(name)
        if group is None:
            if len(self.found) >= MOST_GROUPS and name != OTHER:
                return self.get(OTHER)
            group = self.found[name] = GroupUsage(name, days=array("q", bytes(8 * self._days)))
        return group

    def ranked(self) -> list[GroupUsage]:
        """Return the groups that were used in the time asked for, those with the most bytes billed first."""
        used = [group for group in self.found.values() if group.now.jobs]
        return sorted(used, key=lambda group: (-group.now.billed, -group.now.slot_ms, group.name))


def is_own_look(job: WarehouseJob) -> bool:
    """Return whether this is a query of `nbactl bq` itself, such as one for the history of jobs."""
    ours = job.labels.get("tool") == "nbactl" and job.labels.get("command", "").startswith("bq")
    return ours and job.statement in {"SELECT", None}  # a query has no kind before it runs


def names_by(by: By, label: str) -> Callable[[WarehouseJob], Sequence[str]]:
    """Return what names the groups of a job; `label` is the key of the label for `label`.

    A job counts in full for each table that it reads, or for the table that it writes if it reads none: BigQuery does
    not say which bytes were whose.
    """
    by_name: dict[By, Callable[[WarehouseJob], Sequence[str]]] = {
        "label": lambda job: (job.labels.get(label) or NONE,),
        "user": lambda job: (job.user or NONE,),
        "table": _tables,
        "query": lambda job: (job.query_hash or (CACHED if job.cache_hit else NONE),),
        "hour": lambda job: (f"{job.created_at.astimezone(EASTERN):%H}:00",),
        "service": lambda job: (job.labels.get("service") or _service(job.user),),
    }
    return by_name[by]


def _tables(job: WarehouseJob) -> Sequence[str]:
    if job.cache_hit:
        return (CACHED,)
    named = job.referenced or ((job.destination,) if job.destination else (NONE,))
    return tuple({f"{name.partition(STAGING)[0]}{STAGING}*" if STAGING in name else name for name in named})


def _service(user: str) -> str:
    """Return the name of a service account; people are one group."""
    if not user.endswith(_ROBOT):
        return "(people)" if user else NONE
    return user.partition("@")[0]
