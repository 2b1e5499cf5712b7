"""What nbactl needs of a project, as the project has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.gcpproject.api import endpoint_of
from nbactl.ports.bus import FoundSubscription, PushTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbactl.adapters.gcpproject.api import Endpoint, GoogleApi

_IAM: Final = "cloudresourcemanager"
_FIRESTORE: Final = "firestore"
_PUBSUB: Final = "pubsub"
_BIGQUERY: Final = "bigquery"
_GROUPS: Final = "databases/(default)/collectionGroups/-"
_ACK_DEADLINE: Final = 10
"""Seconds; the default of Pub/Sub."""
_NAME: Final = "__name__"
"""The last field of every index; Firestore adds it."""


CompositeIndex = tuple[str, tuple[tuple[str, str], ...]]
"""A composite index of a collection: its fields, each with ASCENDING or DESCENDING."""


class GoogleProject:
    """A project, read through Google's REST interfaces.

    `environ` may send an interface elsewhere as it does for gcloud (CLOUDSDK_API_ENDPOINT_OVERRIDES_FIRESTORE), or to
    an emulator (BIGQUERY_EMULATOR_HOST, PUBSUB_EMULATOR_HOST). Every method raises NotAuthorisedError,
    UnavailableError and NotFoundError, which names a project that does not exist.
    """

    def __init__(self, project: str, api: GoogleApi, environ: Mapping[str, str]) -> None:
        self.project = project
        self._api = api
        self._environ = environ

    def close(self) -> None:
        """End the connections."""
        self._api.close()

    def identity(self) -> str:
        """Return who calls."""
        return self._api.identity()

    def granted(self, permissions: Iterable[str]) -> set[str]:
        """Return those of `permissions` that the caller has on the whole project.

        https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions
        """
        path = f"v1/projects/{self.project}:testIamPermissions"
        answer = self._api.post(self._endpoint(_IAM), path, {"permissions": sorted(permissions)})
        return set(answer.get("permissions", ()))

    def dataset_locations(self) -> dict[str, str]:
        """Return the location of every dataset, in lower case.

        https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets/list
        """
        found = self._api.pages(self._endpoint(_BIGQUERY), f"bigquery/v2/projects/{self.project}/datasets", "datasets")
        return {one["datasetReference"]["datasetId"]: str(one.get("location", "")).lower() for one in found}

    def composite_indexes(self) -> dict[CompositeIndex, str]:
        """Return the state of every composite index of a collection, such as READY or CREATING.

        https://cloud.google.com/firestore/docs/reference/rest/v1/projects.databases.collectionGroups.indexes
        """
        path = f"v1/projects/{self.project}/{_GROUPS}/indexes"
        found = self._api.pages(self._endpoint(_FIRESTORE), path, "indexes")
        return {
            (_group(index), tuple(_ordered(index))): str(index.get("state", ""))
            for index in found
            if index.get("queryScope", "COLLECTION") == "COLLECTION"
        }

    def ttl_policies(self) -> dict[tuple[str, str], str]:
        """Return the state of every TTL policy by collection and field, such as ACTIVE or CREATING.

        https://cloud.google.com/firestore/docs/ttl
        """
        path = f"v1/projects/{self.project}/{_GROUPS}/fields"
        found = self._api.pages(self._endpoint(_FIRESTORE), path, "fields", filter="ttlConfig:*")
        return {(_group(field), _last(field["name"])): str(field["ttlConfig"]["state"]) for field in found}

    def topics(self) -> set[str]:
        """Return the names of the topics.

        https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/list
        """
        found = self._api.pages(self._endpoint(_PUBSUB), f"v1/projects/{self.project}/topics", "topics")
        return {_last(topic["name"]) for topic in found}

    def subscriptions(self) -> list[FoundSubscription]:
        """Return the subscriptions, sorted by name.

        https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
        """
        endpoint = endpoint_of(_PUBSUB, self._environ, role="roles/pubsub.viewer")
        found = self._api.pages(endpoint, f"v1/projects/{self.project}/subscriptions", "subscriptions", pageSize="1000")
        return sorted(map(_subscription, found), key=lambda one: one.name)

    def _endpoint(self, name: str) -> Endpoint:
        return endpoint_of(name, self._environ)


def _subscription(found: Mapping[str, Any]) -> FoundSubscription:
    letters, retry = found.get("deadLetterPolicy"), found.get("retryPolicy")
    push, state = found.get("pushConfig") or {}, found.get("state", "ACTIVE")
    token = push.get("oidcToken") or {}
    target = None
    if endpoint := push.get("pushEndpoint"):
        target = PushTarget(endpoint, token.get("serviceAccountEmail") or None, token.get("audience") or None)
    return FoundSubscription(
        _last(found["name"]),
        _last(found["topic"]),
        float(found.get("ackDeadlineSeconds", _ACK_DEADLINE)),
        _last(letters["deadLetterTopic"]) if letters else None,
        letters.get("maxDeliveryAttempts") if letters else None,
        None if retry is None else (_seconds(retry, "minimumBackoff"), _seconds(retry, "maximumBackoff")),
        found.get("enableMessageOrdering", False),
        target,
        _seconds(found.get("expirationPolicy") or {}, "ttl") or None,
        None if state in ("ACTIVE", "STATE_UNSPECIFIED") else state,
    )


def _seconds(found: Mapping[str, Any], name: str) -> float:
    return float(found.get(name, "0s").removesuffix("s"))


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _group(resource: Mapping[str, Any]) -> str:
    """Return the collection in a name such as projects/P/databases/D/collectionGroups/runs/indexes/ID."""
    parts = resource["name"].split("/")
    return str(parts[parts.index("collectionGroups") + 1])


def _ordered(index: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in index.get("fields", ()):
        if field["fieldPath"] != _NAME:
            yield field["fieldPath"], field.get("order") or field.get("arrayConfig") or "vector"
