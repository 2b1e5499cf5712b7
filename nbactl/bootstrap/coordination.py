"""Completions of prediction batches, and their migration."""

from __future__ import annotations

import os
import random
from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.bootstrap.flags import FlagRoom
from nbactl.core._support.ids import TimeSortedIds

if TYPE_CHECKING:
    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.completions.batches import Batches
    from nbactl.core.completions.mode import ModeOfBatch
    from nbactl.core.completions.reset import Resets
    from nbactl.core.completions.stages import StageReader
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.migrations.completions.migration import CompletionsMigration


class Coordination(FlagRoom):
    """Completions of prediction batches, and their migration."""

    @cached_property
    def stages(self) -> StageReader:
        """Where the migration of completions stands."""
        from nbactl.core.completions.stages import StageReader  # noqa: PLC0415

        return StageReader(self.documents, self.clock, ttl=self.config.timeouts["completions.stage_ttl"])

    @cached_property
    def completion_mode(self) -> ModeOfBatch:
        """What says where the completions of a batch go. Flags are not read once the migration has begun."""
        from nbactl.core.completions.mode import mode_by_flags  # noqa: PLC0415

        return mode_by_flags(self.stages, lambda: self.flags, self._environ)

    @cached_property
    def completions(self) -> CompletionTracker:
        """Who of a prediction batch has completed."""
        from nbactl.core.completions.tracker import CompletionTracker  # noqa: PLC0415

        return CompletionTracker(
            self.documents,
            self.clock,
            mode=self.completion_mode,
            acting=self.config.timeouts["documents.write"],
            retry=self.config.timeouts.retry_policies["completions"].policy("completions"),
            rng=random.SystemRandom(),
            hook=self.hook,
        )

    @cached_property
    def batches(self) -> Batches:
        """The prediction batches, to look at."""
        from nbactl.core.completions.batches import Batches  # noqa: PLC0415

        return Batches(self.documents, self.completion_mode)

    @cached_property
    def batch_resets(self) -> Resets:
        """What takes back, and brings back, what a prediction batch has recorded."""
        from nbactl.core.completions.reset import Resets  # noqa: PLC0415

        retry = self.config.timeouts.retry_policies["completions"].policy("completions")
        return Resets(
            self.documents,
            self.clock,
            mode=self.completion_mode,
            ids=TimeSortedIds(self.clock),
            retry=retry,
            rng=random.SystemRandom(),
        )

    @cached_property
    def completions_migration(self) -> CompletionsMigration:
        """The migration of completions from the array to the subcollection."""
        from nbactl.core.lease.holder import process_identity  # noqa: PLC0415
        from nbactl.migrations.completions.limits import limits_from  # noqa: PLC0415
        from nbactl.migrations.completions.migration import CompletionsMigration  # noqa: PLC0415

        ids = TimeSortedIds(self.clock, random.SystemRandom())
        return CompletionsMigration(
            self.documents,
            self.clock,
            self.leases,
            owner=lambda: process_identity(ids.new("migration")),
            project=self.settings.project or self.settings.target,
            limits=limits_from(self.config.timeouts),
            bulk_writer=self._bulk_writer,
            exports=self.settings.state_dir / "migrations",
        )

    def _bulk_writer(self, rate: float | None) -> BulkWriter:
        """Return what writes many documents, `rate` a second; without one as fast as Google advises for Firestore."""
        from nbactl.core.calls.bulk import BulkWriter  # noqa: PLC0415
        from nbactl.core.calls.rate_limit import Throttle  # noqa: PLC0415

        timeouts = self.config.timeouts
        in_cloud = self.settings.target == "gcp" and not os.environ.get("FIRESTORE_EMULATOR_HOST")
        return BulkWriter(
            self.documents,
            throttle=Throttle(self.clock, rate=rate) if rate is not None or in_cloud else None,
            retry=timeouts.call_policies["firestore"].settings("firestore", timeouts).retry,
            clock=self.clock,
            rng=random.SystemRandom(),
        )
