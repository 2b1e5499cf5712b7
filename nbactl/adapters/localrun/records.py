"""A service of this machine and its revisions as documents: `local_services/{name}` and `…/revisions/{revision}`.

A command writes what is wanted of a service; `nbactl up` brings its processes there and writes what is in force. So
what is written outlives a kill of either, and the next `up` continues from it.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Delete, Set, Update
from nbactl.ports.services import ALL_REQUESTS, Revision, Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.ports.documents import Document, Transaction, Write
    from nbactl.ports.services import Settings

COLLECTION: Final = "local_services"
KEPT: Final = 100
"""So many revisions of a service are kept, and those that get requests."""

UNSET: Final[Settings] = {"min_instances": 0, "max_instances": None, "concurrency": None, "timeout": None}
"""The settings of a service of which none was set."""

State = Literal["pending", "ready", "failed"]
FOLLOWS_LATEST: Final = (Traffic(ALL_REQUESTS, None),)


@frozen
class RevisionRecord:
    """A revision: its variables and settings never change, only what is known of its start."""

    service: str
    number: int
    created_at: datetime
    created_by: str
    env: Mapping[str, str]
    secrets: frozenset[str]
    settings: Settings = field(default_factory=UNSET.copy)
    """All of them."""
    state: State = "pending"
    problem: str | None = None

    @property
    def name(self) -> str:
        """Return its name, such as `worker-00003`."""
        return revision_name(self.service, self.number)

    @property
    def path(self) -> str:
        """Where it is kept."""
        return revision_path(self.service, self.name)

    def as_revision(self) -> Revision:
        """Return it as the port shows it."""
        return Revision(
            self.name,
            self.created_at,
            ready=self.state == "ready",
            problem=self.problem,
            env=self.env,
            secrets=self.secrets,
            settings=self.settings,
            image="",
            deployed_by=self.created_by,
        )


@frozen
class ServiceRecord:
    """A service. `generation` counts what was wanted of it, `observed` is the last one that `up` has dealt with."""

    name: str
    generation: int
    observed: int
    latest: int
    """The number of the newest revision."""
    latest_ready: str | None
    traffic: Sequence[Traffic]
    """As it is wanted."""
    in_force: Sequence[Traffic]
    environment: Mapping[str, str]
    """The variables that `up` started with last: what differs at its next start is changed in the service."""
    changed_at: datetime
    changed_by: str
    failure: str | None = None
    """Why `observed` is not in force."""

    @property
    def path(self) -> str:
        """Where it is kept."""
        return service_path(self.name)

    @property
    def latest_created(self) -> str:
        """The name of the newest revision."""
        return revision_name(self.name, self.latest)

    @property
    def pinned_to(self) -> str | None:
        """The revision that is wanted to get all requests, None if they follow the latest ready one."""
        return next((share.revision for share in self.traffic if share.percent), None)

    def changed(self, at: datetime, by: str, **fields: Any) -> ServiceRecord:  # noqa: ANN401 - fields of this class
        """Return it with the next generation."""
        return replace(self, generation=self.generation + 1, changed_at=at, changed_by=by, failure=None, **fields)


def service_path(name: str) -> str:
    """Return where a service is kept."""
    return f"{COLLECTION}/{name}"


def revision_name(service: str, number: int) -> str:
    """Return the name of a revision."""
    return f"{service}-{number:05d}"


def revision_path(service: str, revision: str) -> str:
    """Return where a revision is kept."""
    return f"{service_path(service)}/revisions/{revision}"


def save(service: ServiceRecord) -> Set:
    """Return the write that keeps a service."""
    return Set(
        service.path,
        {
            "generation": service.generation,
            "observed": service.observed,
            "latest": service.latest,
            "latest_ready": service.latest_ready,
            "traffic": _shares(service.traffic),
            "in_force": _shares(service.in_force),
            "environment": _pairs(service.environment),
            "changed_at": service.changed_at,
            "changed_by": service.changed_by,
            "failure": service.failure,
        },
    )


def add(service: ServiceRecord, revision: RevisionRecord) -> list[Write]:
    """Return the writes that keep a service with a new revision, and remove one that is too old."""
    data = {
        "number": revision.number,
        "created_at": revision.created_at,
        "created_by": revision.created_by,
        "env": _pairs(revision.env),
        "secrets": sorted(revision.secrets),
        "settings": dict(revision.settings),
        "state": revision.state,
        "problem": revision.problem,
    }
    writes: list[Write] = [save(service), Create(revision.path, data)]
    old = revision_name(service.name, revision.number - KEPT)
    used = {share.revision for share in (*service.traffic, *service.in_force)} | {service.latest_ready}
    if revision.number > KEPT and old not in used:
        writes.append(Delete(revision_path(service.name, old)))
    return writes


def mark(revision: RevisionRecord, state: State, problem: str | None = None) -> Update:
    """Return the write that notes how the start of a revision ended."""
    return Update(revision.path, {"state": state, "problem": problem})


def read_service(document: Document) -> ServiceRecord:
    """Return a service. Raises DataError for a document that is not one."""
    data = document.data
    return ServiceRecord(
        document.id,
        data["generation"],
        data["observed"],
        data["latest"],
        data["latest_ready"],
        tuple(Traffic(share["percent"], share["revision"]) for share in data["traffic"]),
        tuple(Traffic(share["percent"], share["revision"]) for share in data["in_force"]),
        _mapping(data["environment"]),
        data["changed_at"],
        data["changed_by"],
        data["failure"],
    )


def read_revision(document: Document) -> RevisionRecord:
    """Return a revision. Raises DataError for a document that is not one."""
    data = document.data
    return RevisionRecord(
        document.path.split("/")[1],
        data["number"],
        data["created_at"],
        data["created_by"],
        _mapping(data["env"]),
        frozenset(data["secrets"]),
        cast("Settings", data["settings"]),
        data["state"],
        data["problem"],
    )


def read_within(transaction: Transaction, name: str) -> tuple[ServiceRecord, RevisionRecord] | None:
    """Return a service and its newest revision, None if there is no such service."""
    document = transaction.get(service_path(name))
    if document is None:
        return None
    service = read_service(document)
    newest = transaction.get(revision_path(name, service.latest_created))
    assert newest is not None  # noqa: S101 - it is created in one commit with the service
    return service, read_revision(newest)


def _shares(traffic: Sequence[Traffic]) -> list[dict[str, Any]]:
    return [{"percent": share.percent, "revision": share.revision} for share in traffic]


def _pairs(env: Mapping[str, str]) -> list[dict[str, str]]:
    """Return variables in their order: maps of a document have none."""
    return [{"name": name, "value": value} for name, value in env.items()]


def _mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in pairs}
