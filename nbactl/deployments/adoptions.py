"""Which adoptions were made: each in one commit with the states that it set, and undone in one commit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.flags.store import flag_path
from nbactl.errors import DataError, NotFoundError, PreconditionError, UsageError
from nbactl.ports.documents import Create, Delete, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.flags.store import FlagStore
    from nbactl.deployments.adoption import AdoptionPlan
    from nbactl.ports.documents import DocumentStore, Transaction

COLLECTION: Final = "flag_adoptions"


@dataclass(frozen=True, slots=True)
class Adoption:
    """One adoption. `versions` are those of the states that it wrote, `parameters` texts by service and variable.

    `whole`: it looked at all flags on all declared services of `place` (project and region).
    """

    id: str
    at: datetime
    by: str
    reason: str | None
    place: str
    whole: bool
    versions: Mapping[str, int]
    parameters: Mapping[str, Mapping[str, str]]
    undone_at: datetime | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True)
class AdoptionUndone:
    """An adoption that was undone, or would be: the flags that are never set again, and those that were set since."""

    adoption: Adoption
    removed: tuple[str, ...]
    kept: tuple[str, ...]


class Adoptions:
    """The adoptions of one place, in the document store."""

    def __init__(
        self, documents: DocumentStore, flags: FlagStore, *, clock: Clock, ids: IdGenerator, place: str
    ) -> None:
        self._documents = documents
        self._flags = flags
        self._clock = clock
        self._ids = ids
        self._place = place

    def in_force(self) -> list[Adoption]:
        """Return the adoptions of this place that were not undone, the newest first. Raises DataError."""
        query = Query(COLLECTION, order=(Order("id", descending=True),))
        found = [adoption_of(document.path, document.data) for document in self._documents.query(query)]
        return [each for each in found if each.place == self._place and each.undone_at is None]

    def carry_out(self, plan: AdoptionPlan, *, whole: bool, by: str, reason: str | None) -> Adoption:
        """Set the flags of a plan and record it, all in one commit; a killed process leaves all of it or nothing.

        Raises PreconditionError if somebody set one of the flags meanwhile.
        """
        changes = [move.change for move in plan.moves]
        made = Adoption(self._ids.new("adopt"), self._clock.now(), by, reason, self._place, whole, {}, plan.parameters)

        def write(transaction: Transaction) -> Adoption:
            states = self._flags.write(transaction, changes, by=by, reason=reason or f"adopted as deployed ({made.id})")
            versions = {change.key: state.version for change, state in zip(changes, states, strict=True)}
            adoption = replace(made, versions=versions)
            transaction.write(Create(f"{COLLECTION}/{made.id}", asdict(adoption)))
            return adoption

        reach("flags.before_adopt")
        done = self._documents.transaction(write)
        reach("flags.adopted")
        return done

    def find(self, wanted: str) -> Adoption:
        """Return an adoption that can be undone, by id or `last`. Raises NotFoundError, and UsageError if it was."""
        if wanted == "last":
            found = next(iter(self.in_force()), None)
        else:
            document = self._documents.get(f"{COLLECTION}/{wanted}")
            found = None if document is None else adoption_of(document.path, document.data)
        if found is None:
            raise NotFoundError(
                "there is no adoption to undo" if wanted == "last" else f"there is no adoption {wanted}",
                next_step="nbactl flags history KEY shows who set a flag.",
            )
        if found.place != self._place:
            project, _, region = found.place.partition("/")
            raise UsageError(
                f"{found.id} was made in another place: {found.place}",
                next_step=f"Give --project {project} --region {region}.",
            )
        if found.undone_at is not None:
            raise UsageError(f"{found.id} was undone already", next_step="To take over again: nbactl flags adopt")
        return found

    def undo(self, adoption: Adoption, *, by: str, dry_run: bool) -> AdoptionUndone:
        """Take back the states that nobody changed since: these flags are never set again. Raises PreconditionError."""

        def write(transaction: Transaction) -> AdoptionUndone:
            path = f"{COLLECTION}/{adoption.id}"
            document = transaction.get(path)
            if document is None or adoption_of(path, document.data).undone_at is not None:
                raise PreconditionError(f"{adoption.id} was undone by somebody else meanwhile; nothing was changed")
            removed: list[str] = []
            kept: list[str] = []
            for key, version in adoption.versions.items():
                state = self._flags.look(transaction, key)
                (removed if state is not None and state.version == version else kept).append(key)
            if not dry_run:
                transaction.write(*(Delete(flag_path(key)) for key in removed))
                undone = replace(adoption, undone_at=self._clock.now(), undone_by=by)
                transaction.write(Set(path, asdict(undone)))
            return AdoptionUndone(adoption, tuple(removed), tuple(kept))

        return self._documents.transaction(write)


def adopted_parameters(adoptions: Iterable[Adoption]) -> dict[str, dict[str, str]]:
    """Return the parameters that were adopted, by service and variable; `adoptions` begin with the newest."""
    found: dict[str, dict[str, str]] = {}
    for adoption in adoptions:
        for service, texts in adoption.parameters.items():
            found[service] = {**texts, **found.get(service, {})}
    return found


def adoption_of(path: str, fields: Mapping[str, Any]) -> Adoption:
    """Return the adoption in `fields`. Raises DataError for what nbactl did not write."""
    try:
        known = {name: fields[name] for name in Adoption.__dataclass_fields__}
        adoption = Adoption(**known)
        dict(adoption.versions), {name: dict(texts) for name, texts in adoption.parameters.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} cannot be read",
            cause=f"It was not written by nbactl, or damaged: {error!r}.",
            next_step="Remove the document, and take over again: nbactl flags adopt",
        ) from error
    return adoption
