"""The methods of datasets: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.store import millis

if TYPE_CHECKING:
    from nbactl.testing.bigquery.http import Request
    from nbactl.testing.bigquery.store import Dataset, Store

_SET: Final = (
    "friendlyName",
    "description",
    "defaultTableExpirationMs",
    "defaultPartitionExpirationMs",
    "labels",
    "access",
    "maxTimeTravelHours",
    "storageBillingModel",
    "defaultCollation",
    "isCaseInsensitive",
)


def resource(store: Store, dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as the REST API answers it."""
    return {
        "kind": "bigquery#dataset",
        "etag": etag(dataset),
        "id": f"{store.project}:{dataset.name}",
        "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/projects/{store.project}/datasets/{dataset.name}",
        "datasetReference": {"projectId": store.project, "datasetId": dataset.name},
        "location": dataset.location,
        "creationTime": millis(dataset.created),
        "lastModifiedTime": millis(dataset.modified),
        "type": "DEFAULT",
        **dataset.resource,
    }


def etag(dataset: Dataset) -> str:
    """Return what changes with every change of a dataset."""
    return f"{dataset.name}-{millis(dataset.created)}-{dataset.version}"


def insert(store: Store, request: Request) -> dict[str, Any]:
    """Create a dataset: 409 duplicate if it is there."""
    body = request.json
    name = (body.get("datasetReference") or {}).get("datasetId", "")
    kept = {key: value for key, value in body.items() if key in _SET}
    return resource(store, store.create_dataset(name, kept, body.get("location")))


def get(store: Store, _: Request, name: str) -> dict[str, Any]:
    """Return a dataset."""
    return resource(store, store.dataset(name))


def patch(store: Store, request: Request, name: str) -> dict[str, Any]:
    """Change what is given of a dataset; with If-Match only if its etag is that one."""
    with store.lock:
        dataset = store.dataset(name)
        if request.if_match not in (None, "*", etag(dataset)):
            raise ApiError("conditionNotMet", "Precondition check failed.")
        dataset.resource.update({key: value for key, value in request.json.items() if key in _SET})
        dataset.version += 1
        dataset.modified = store.clock.now()
        store.save()
        return resource(store, dataset)


def delete(store: Store, request: Request, name: str) -> dict[str, Any]:
    """Drop a dataset: 400 resourceInUse if it has tables, unless deleteContents is true."""
    store.drop_dataset(name, contents=request.parameters.get("deleteContents") == "true")
    return {}


def listed(store: Store, request: Request) -> dict[str, Any]:
    """Return a page of the datasets."""
    with store.lock:
        names = sorted(store.datasets)
        page, token = request.page(names)
        shown = [
            {key: value for key, value in resource(store, store.datasets[name]).items() if key in _LISTED}
            for name in page
        ]
    return {"kind": "bigquery#datasetList", "datasets": shown, **token}


_LISTED = ("kind", "id", "datasetReference", "labels", "friendlyName", "location")
