"""The services port on the services of `nbactl up`: a change is a document that `up` brings into force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.adapters.localrun.records import (
    COLLECTION,
    RevisionRecord,
    ServiceRecord,
    add,
    read_revision,
    read_service,
    read_within,
    revision_path,
    save,
    service_path,
)
from nbactl.adapters.localrun.rules import check_here, merged, merged_settings
from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.core._support.names import did_you_mean
from nbactl.core.calls.deadline import tighter
from nbactl.errors import DeployFailedError, NotFoundError, PreconditionError, StillRunningError
from nbactl.ports.documents import Order, Query
from nbactl.ports.service_rules import check_edit
from nbactl.ports.services import DeployedService, Revision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.adapters.localrun.running import UpState
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.deadline import Deadline
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.ports.services import ServiceEdit

NOT_RUNNING: Final = "`nbactl up` is not running"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a new revision, and between two looks at it."""

    deploy: float
    poll: float


class LocalServices:
    """The services of one state directory. `running` says what `up` runs there; `who` makes the changes."""

    def __init__(
        self,
        documents: DocumentStore,
        *,
        running: Callable[[], UpState | None],
        clock: Clock,
        who: str,
        patience: Patience,
    ) -> None:
        self._documents = documents
        self._running = running
        self._clock = clock
        self._who = who
        self._patience = patience

    def close(self) -> None:
        """Do nothing: the store belongs to the caller."""

    def list(self) -> list[DeployedService]:
        services = [read_service(document) for document in self._documents.query(Query(COLLECTION))]
        newest = self._documents.get_all([revision_path(one.name, one.latest_created) for one in services])
        up = self._running()
        return [
            _shown(service, read_revision(revision), up)
            for service, revision in zip(services, newest, strict=True)
            if revision is not None
        ]

    def get(self, name: str) -> DeployedService:
        return _shown(*self._read(name), self._running())

    def revisions(self, name: str) -> Sequence[Revision]:
        self._read(name)
        query = Query(f"{service_path(name)}/revisions", order=(Order("number", descending=True),))
        return [read_revision(document).as_revision() for document in self._documents.query(query)]

    def check(self, name: str, edit: ServiceEdit) -> None:
        check_edit(edit)
        check_here(edit)
        self._documents.transaction(
            lambda transaction: self._prepare(*self._within(transaction, name), edit, transaction)
        )

    def change(self, name: str, edit: ServiceEdit, *, expected_version: str) -> DeployedService:
        check_edit(edit)
        check_here(edit)

        def write(transaction: Transaction) -> int | None:
            return self._write(transaction, name, edit, expected_version)

        reach("localrun.before_change")
        generation = self._documents.transaction(write)
        if generation is None:
            return self.get(name)
        reach("localrun.changed")
        return self._in_force(name, generation)

    def _read(self, name: str) -> tuple[ServiceRecord, RevisionRecord]:
        document = self._documents.get(service_path(name)) if name and "/" not in name else None
        if document is None:
            raise self._unknown(name)
        service = read_service(document)
        newest = self._documents.get(revision_path(name, service.latest_created))
        if newest is None:
            raise self._unknown(name)
        return service, read_revision(newest)

    def _unknown(self, name: str) -> NotFoundError:
        known = sorted(self._documents.list_ids(COLLECTION))
        return NotFoundError(
            f"there is no service {name} on this machine",
            next_step=did_you_mean(name, known) if known else "Start the services: nbactl up",
        )

    def _write(self, transaction: Transaction, name: str, edit: ServiceEdit, expected: str) -> int | None:
        """Write what is wanted; return its generation, None if everything is so already."""
        service, newest = self._within(transaction, name)
        if str(service.generation) != expected:
            raise _changed_by(service, "It was changed after it was read for this change", sent=False)
        prepared = self._prepare(service, newest, edit, transaction)
        if prepared is None:
            return None
        after, revision = prepared
        transaction.write(*([save(after)] if revision is None else add(after, revision)))
        return after.generation

    def _within(self, transaction: Transaction, name: str) -> tuple[ServiceRecord, RevisionRecord]:
        found = read_within(transaction, name) if name and "/" not in name else None
        if found is None:
            raise self._unknown(name)
        return found

    def _prepare(
        self, service: ServiceRecord, newest: RevisionRecord, edit: ServiceEdit, transaction: Transaction
    ) -> tuple[ServiceRecord, RevisionRecord | None] | None:
        """Return the service after a change, and its new revision if it gets one; None if everything is so already."""
        now = self._clock.now()
        if edit.traffic is not None:
            shares = tuple(share for share in edit.traffic if share.percent)
            if shares == tuple(service.traffic):
                return None
            self._check_target(transaction, service, shares[0].revision)
            self._require_up(service.name)
            return service.changed(now, self._who, traffic=shares), None
        env = merged(newest, edit)
        settings = merged_settings(newest, edit)
        if list(env.items()) == list(newest.env.items()) and settings == newest.settings:
            return None
        self._require_up(service.name)
        after = service.changed(now, self._who, latest=newest.number + 1)
        return after, RevisionRecord(service.name, after.latest, now, self._who, env, newest.secrets, settings)

    @staticmethod
    def _check_target(transaction: Transaction, service: ServiceRecord, revision: str | None) -> None:
        if revision is None:
            return
        document = transaction.get(revision_path(service.name, revision)) if "/" not in revision else None
        if document is None:
            raise NotFoundError(
                f"{service.name} has no revision {revision}",
                next_step=_ready_one(service),
                details={"service": service.name, "revision": revision},
            )
        found = read_revision(document)
        if found.state != "ready":
            raise PreconditionError(
                f"the revision {revision} of {service.name} is not ready",
                cause=found.problem or "It has not started yet.",
                next_step=_ready_one(service),
                details={"service": service.name, "revision": revision},
            )

    def _require_up(self, name: str) -> None:
        if self._running() is None:
            raise PreconditionError(
                f"{name} does not run, and is not changed",
                cause=f"{NOT_RUNNING} on this state directory.",
                next_step="Start it in another terminal: nbactl up",
                details={"service": name},
            )

    def _in_force(self, name: str, generation: int) -> DeployedService:
        """Wait until `up` has dealt with a change; return the service as read back."""
        deadline = tighter(self._patience.deploy, self._clock)
        while True:
            up = self._running()
            service, newest = self._read(name)
            if service.generation != generation:
                raise _changed_by(service, "It was changed again right after this change")
            if service.observed >= generation:
                if service.failure is not None:
                    raise _failed(service)
                return _shown(service, newest, up)
            if up is None:
                raise _still_running(name, "`nbactl up` ended before; the next one makes the change.")
            self._pause(name, deadline)

    def _pause(self, name: str, deadline: Deadline) -> None:
        left = deadline.remaining()
        if left <= 0:
            waited = format_duration(deadline.seconds)
            raise _still_running(name, f"`nbactl up` was still working on it after {waited}.")
        self._clock.sleep(min(self._patience.poll, left))


def _shown(service: ServiceRecord, newest: RevisionRecord, up: UpState | None) -> DeployedService:
    problem = newest.problem if newest.state == "failed" else None
    running = None if up is None else up.services.get(service.name)
    if running is None:
        problem = f"it does not run: {NOT_RUNNING}"
    return DeployedService(
        name=service.name,
        url="" if running is None else running.url,
        env=newest.env,
        secrets=newest.secrets,
        latest_ready_revision=service.latest_ready,
        latest_created_revision=service.latest_created,
        traffic=service.in_force,
        version=str(service.generation),
        is_reconciling=service.observed < service.generation,
        problem=problem,
        settings=newest.settings,
        env_order=(*newest.env, *sorted(newest.secrets)),
        deployed_at=service.changed_at,
        deployed_by=service.changed_by,
    )


def _ready_one(service: ServiceRecord) -> str:
    return f"The newest one that is ready: {service.latest_ready}" if service.latest_ready else "None is ready yet."


def _failed(service: ServiceRecord) -> DeployFailedError:
    return DeployFailedError(
        f"the revision of {service.name} does not start; the previous one keeps serving",
        cause=service.failure,
        next_step="Read the log of `nbactl up`, and change it again.",
        details={"service": service.name},
    )


def _still_running(name: str, cause: str) -> StillRunningError:
    return StillRunningError(
        f"the new revision of {name} is not ready yet",
        cause=cause,
        next_step=f"Look at it: nbactl services show {name}",
        details={"service": name},
    )


def _changed_by(service: ServiceRecord, when: str, *, sent: bool = True) -> PreconditionError:
    return PreconditionError(
        f"{service.name} was changed by someone else in the meantime",
        cause=f"{when}, by {service.changed_by}.",
        next_step=f"Look at it, and run the command again: nbactl services show {service.name}",
        details={"service": service.name, "sent": sent},
    )
