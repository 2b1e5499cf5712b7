"""Opens the document store of a Google Cloud project. Importing this module loads nothing of Google's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.core.calls.policy import CallPolicy
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock


def open_documents(
    project: str | None, *, emulator: str | None, timeouts: TimeoutsFile, clock: Clock
) -> FirestoreDocuments:
    """Return the store of a project's default database; `emulator` is the host:port of one, to be used instead.

    Nothing is sent yet. Raises ConfigError where the project or Google's client is missing.
    """
    if project is None:
        raise ConfigError("target gcp needs a project", next_step="Give --project or set NBACTL_PROJECT.")
    try:
        from nbactl.adapters.firestore.calls import Limits  # noqa: PLC0415 - loads Google's client
        from nbactl.adapters.firestore.channel import Database  # noqa: PLC0415
        from nbactl.adapters.firestore.documents import FirestoreDocuments  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "target gcp needs Google's client for Firestore",
            cause=f"It cannot be imported: {error}",
            next_step="Install it: pip install 'nbactl[gcp]'",
        ) from error
    rng = random.SystemRandom()
    policy = CallPolicy(timeouts.call_policies["firestore"].settings("firestore", timeouts), clock=clock, rng=rng)
    limits = Limits(read=timeouts["documents.read"], write=timeouts["documents.write"])
    database = Database(project, emulator=emulator or None)
    return FirestoreDocuments(database, limits=limits, policy=policy, rng=rng)
