"""What `nbactl up` reads and writes of its services: which revision is to serve, and how its start ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.adapters.localrun.records import (
    FOLLOWS_LATEST,
    RevisionRecord,
    ServiceRecord,
    add,
    mark,
    read_revision,
    read_service,
    read_within,
    revision_path,
    save,
    service_path,
)
from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore, Transaction


@frozen
class WantedService:
    """A service as it is wanted, and its newest revision."""

    service: ServiceRecord
    newest: RevisionRecord

    @property
    def revision(self) -> str:
        """The revision that is to serve: of those that follow the latest, the one before while that is not ready."""
        if self.service.pinned_to is not None:
            return self.service.pinned_to
        if self.newest.state == "failed" and self.service.latest_ready is not None:
            return self.service.latest_ready
        return self.newest.name

    @property
    def unproven(self) -> str | None:
        """The newest revision, if it gets no requests and it is not known yet whether it starts."""
        return self.newest.name if self.newest.state == "pending" and self.newest.name != self.revision else None

    def has_other_than(self, revision: str) -> bool:
        """Say whether another revision serves if this one does not start."""
        if revision == self.newest.name and self.newest.state == "pending":
            return self.service.latest_ready is not None
        return self.service.traffic != self.service.in_force


class LocalDeployments:
    """The services of one state directory, for the one `up` that runs there."""

    def __init__(self, documents: DocumentStore, *, clock: Clock, who: str) -> None:
        self._documents = documents
        self._clock = clock
        self._who = who

    def register(self, name: str, environment: Mapping[str, str], secrets: frozenset[str]) -> None:
        """Have a service that is about to be started.

        A new one gets a first revision with the variables of the environment. In one that is there, those change that
        were different when `up` started last, so that what was changed in between stays.
        """

        def write(transaction: Transaction) -> None:
            found, now = read_within(transaction, name), self._clock.now()
            if found is None:
                first = RevisionRecord(name, 1, now, self._who, dict(environment), secrets)
                made = ServiceRecord(
                    name,
                    generation=1,
                    observed=0,
                    latest=1,
                    latest_ready=None,
                    traffic=FOLLOWS_LATEST,
                    in_force=FOLLOWS_LATEST,
                    environment=dict(environment),
                    changed_at=now,
                    changed_by=self._who,
                )
                transaction.write(*add(made, first))
                return
            service, newest = found
            env = _rebased(newest.env, service.environment, environment)
            if env != newest.env or secrets != newest.secrets:
                after = service.changed(now, self._who, latest=newest.number + 1, environment=dict(environment))
                made_now = RevisionRecord(name, after.latest, now, self._who, env, secrets, newest.settings)
                transaction.write(*add(after, made_now))
                return
            if environment != service.environment:
                transaction.write(save(replace(service, environment=dict(environment))))

        self._documents.transaction(write)

    def wanted(self, names: Sequence[str]) -> dict[str, WantedService]:
        """Return the services as they are wanted now."""
        found = self._documents.get_all([service_path(name) for name in names])
        services = [read_service(document) for document in found if document is not None]
        newest = self._documents.get_all([revision_path(one.name, one.latest_created) for one in services])
        return {
            service.name: WantedService(service, read_revision(document))
            for service, document in zip(services, newest, strict=True)
            if document is not None
        }

    def revision(self, service: str, name: str) -> RevisionRecord:
        """Return a revision that was ready once. Raises DataError if it was removed by hand."""
        document = self._documents.get(revision_path(service, name))
        if document is None:
            raise DataError(
                f"the revision {name} of {service} is not in the document store",
                cause="Requests are to go to it.",
                next_step=f"Restore the store, or delete {service_path(service)} to begin with a new service.",
            )
        return read_revision(document)

    def note_started(self, service: str, revision: str) -> None:
        """Note that a revision starts, and is ready."""

        def write(transaction: Transaction) -> None:
            found = read_within(transaction, service)
            document = transaction.get(revision_path(service, revision))
            if found is None or document is None or (started := read_revision(document)).state == "ready":
                return
            latest = max(revision, found[0].latest_ready or "")
            transaction.write(mark(started, "ready"), save(replace(found[0], latest_ready=latest)))

        self._documents.transaction(write)

    def note_in_force(self, wanted: WantedService) -> None:
        """Note that what was wanted is in force, unless it was changed since."""

        def write(transaction: Transaction) -> None:
            found = read_within(transaction, wanted.service.name)
            if found is not None and found[0].generation == wanted.service.generation:
                now = replace(found[0], observed=found[0].generation, in_force=found[0].traffic, failure=None)
                transaction.write(save(now))

        self._documents.transaction(write)

    def note_failed(self, wanted: WantedService, revision: str, why: str) -> None:
        """Note that a revision does not start; what was in force before stays so."""

        def write(transaction: Transaction) -> None:
            found = read_within(transaction, wanted.service.name)
            document = transaction.get(revision_path(wanted.service.name, revision))
            if found is None or document is None:
                return
            service, failed = found[0], read_revision(document)
            if service.generation == wanted.service.generation:
                traffic = service.traffic if failed.state == "pending" else service.in_force
                now = replace(service, traffic=traffic, observed=service.generation, failure=f"{revision}: {why}")
                transaction.write(save(now))
            if failed.state == "pending":
                transaction.write(mark(failed, "failed", why))

        self._documents.transaction(write)


def _rebased(env: Mapping[str, str], before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with what is different in the environment from `before`."""
    wanted = dict(env)
    for name in (*before, *now):
        if before.get(name) != now.get(name):
            if name in now:
                wanted[name] = now[name]
            else:
                wanted.pop(name, None)
    return wanted
