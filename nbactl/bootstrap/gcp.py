"""Target gcp: which adapter serves each port. Importing this module loads nothing of Google's.

The bus and compute are not there yet (`_not_yet`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.bootstrap.container import Container
    from nbactl.core.service.health import Check
    from nbactl.workflows.freshness import NoVersions
    from nbactl.workflows.planner import NoHistory

HAS_BUS = False
HAS_DEPLOYED_SERVICES = True
DELETES_EXPIRED = True
"""Firestore's TTL policies do it."""


def documents(app: Container) -> FirestoreDocuments:
    """Return the project's default database, or the one of FIRESTORE_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = _project(app), app.config.timeouts
    with _needs("Google's client for Firestore"):
        from nbactl.adapters.firestore.calls import CallLimits
        from nbactl.adapters.firestore.channel import Database
        from nbactl.adapters.firestore.documents import FirestoreDocuments
    return FirestoreDocuments(
        Database(project, emulator=app.environ.get("FIRESTORE_EMULATOR_HOST") or None),
        limits=CallLimits(read=timeouts["documents.read"], write=timeouts["documents.write"]),
        policy=app.policies["firestore"],
        rng=app.rng,
    )


def deployed_services(app: Container) -> CloudRunServices:
    """Return the services of the region, or those of CLOUD_RUN_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = _project(app), app.config.timeouts
    with _needs("Google's authentication"):
        from nbactl.adapters.cloudrun.api import Api, Region
        from nbactl.adapters.cloudrun.services import CloudRunServices, Waiting
    api = Api(
        Region(project, app.settings.region, app.environ.get("CLOUD_RUN_EMULATOR_HOST") or None),
        app.policies["cloud_run"],
        connect=timeouts["http.connect"],
        request=timeouts["service.admin"],
    )
    return CloudRunServices(api, Waiting(deploy=timeouts["service.deploy"], poll=timeouts["service.poll"]))


def warehouse(app: Container) -> BigQueryWarehouse:
    """Return the datasets of the project, or those of BIGQUERY_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = _project(app), app.config.timeouts
    with _needs("Google's client for BigQuery"):
        from nbactl.adapters.bigquery.calls import Calls
        from nbactl.adapters.bigquery.client import ClientHolder, Project
        from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    place = Project(project, app.settings.region, app.environ.get("BIGQUERY_EMULATOR_HOST") or None)
    calls = Calls(
        ClientHolder(place, connect=timeouts["http.connect"]),
        reads=app.policies["bigquery"],
        writes=app.policies["bigquery_dml"],
        ids=app.ids,
    )
    return BigQueryWarehouse(calls, metadata=timeouts["warehouse.query"])


def bus(_: Container) -> NoReturn:
    """Refuse: Pub/Sub is not there yet."""
    raise _not_yet("the message bus")


def compute(_: Container) -> NoReturn:
    """Refuse: calls of services are not there yet."""
    raise _not_yet("running tasks")


def versions(_: Container) -> NoVersions:
    """Return versions that nobody knows: services do not report theirs."""
    from nbactl.workflows.freshness import NoVersions

    return NoVersions()


def history(_: Container) -> NoHistory:
    """Return no history: nothing runs here yet."""
    from nbactl.workflows.planner import NoHistory

    return NoHistory()


def must_ramp_up(app: Container) -> bool:
    """Return True except for the emulator, which takes writes at any rate."""
    return not app.environ.get("FIRESTORE_EMULATOR_HOST")


def health_checks(_: Container) -> list[Check]:
    """Check nothing more: state is not on the disk."""
    return []


def gcloud(app: Container, verb: str, service: str, *options: str) -> str:
    """Return the command of Google's own tool for a service, such as `gcloud run services describe NAME …`."""
    from nbactl.adapters.cloudrun.api import Region

    return Region(app.settings.project or "", app.settings.region).gcloud(verb, service, *options)


def _not_yet(what: str) -> ConfigError:
    return ConfigError(
        f"{what} on target gcp is not in this version",
        cause="This version has the documents, the warehouse and the services of Google Cloud, and nothing else of it.",
        next_step="Use --target local; `nbactl config` and `nbactl run --dry-run` work for both targets.",
    )


def _project(app: Container) -> str:
    if app.settings.project is None:
        raise ConfigError("target gcp needs a project", next_step="Give --project or set NBACTL_PROJECT.")
    return app.settings.project


@contextmanager
def _needs(what: str) -> Iterator[None]:
    """Raise ConfigError for an import that fails."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"target gcp needs {what}",
            cause=f"It cannot be imported: {error}",
            next_step="Install it: pip install 'nbactl[gcp]'",
        ) from error
