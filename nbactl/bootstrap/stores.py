"""Where state is kept: settings, configuration files, documents, leases."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from nbactl.core.observe.events import noop_hook
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.config.loader import Config
    from nbactl.config.settings import Settings
    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Leases
    from nbactl.core.observe.events import Hook
    from nbactl.ports.documents import DocumentStore


class Stores:
    """Where state is kept: settings, configuration files, documents, leases."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        reads_only: bool = False,
        environ: Mapping[str, str] | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        """With `reads_only` a ledger that is not there yet is taken for an empty one, and not made.

        `environ` is by default that of the process; `hook` hears what the services tell.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.hook = hook
        self.closing = ExitStack()
        """What is to be closed before the stores are."""
        self._environ = os.environ if environ is None else environ
        self._reads_only = reads_only

    @cached_property
    def config(self) -> Config:
        """The three YAML files. Raises ConfigError."""
        from nbactl.config.loader import load_config  # noqa: PLC0415 - loads pydantic

        return load_config(self.settings.config_dir, self._environ)

    @cached_property
    def documents(self) -> DocumentStore:
        """The document store of the target. Raises ConfigError where target gcp lacks its project or client."""
        if self.hook is noop_hook:
            return self._engine
        from nbactl.core.observe.counted_documents import CountedDocuments  # noqa: PLC0415

        return CountedDocuments(self._engine, self.hook)

    @cached_property
    def _engine(self) -> DocumentStore:
        if self.settings.target == "gcp":
            return self._firestore()
        from nbactl.adapters.sqlite.documents import SqliteDocuments  # noqa: PLC0415 - loads sqlite3

        busy = self.config.timeouts["documents.busy"]
        path = self.settings.state_dir / "documents.db"
        missing = self._reads_only and not path.exists()
        return SqliteDocuments(":memory:" if missing else path, clock=self.clock, busy_timeout=busy)

    def _firestore(self) -> DocumentStore:
        from nbactl.adapters.firestore.opening import open_documents  # noqa: PLC0415

        return open_documents(
            self.settings.project,
            emulator=os.environ.get("FIRESTORE_EMULATOR_HOST"),
            timeouts=self.config.timeouts,
            clock=self.clock,
        )

    @cached_property
    def leases(self) -> Leases:
        """The leases, with the dead of this machine known."""
        from nbactl.core.lease.holder import is_dead  # noqa: PLC0415
        from nbactl.core.lease.leases import Leases  # noqa: PLC0415

        return Leases(self.documents, self.clock, is_dead=is_dead)

    def _require_local(self, what: str) -> None:
        if self.settings.target != "local":
            raise ConfigError(
                f"{what} on target {self.settings.target} is not in this version",
                cause="Of Google Cloud it has the documents only: what reads and changes them works there.",
                next_step="Use --target local; `nbactl config` and `nbactl run --dry-run` work for both targets.",
            )
