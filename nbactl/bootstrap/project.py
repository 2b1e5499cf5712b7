"""The project of target gcp, and what nbactl needs in it, for `nbactl doctor`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap.gcp import needs, project_of

if TYPE_CHECKING:
    from nbactl.adapters.gcpproject.project import GoogleProject
    from nbactl.bootstrap.container import Container


def gcp_project(app: Container) -> GoogleProject:
    """Return the project as `nbactl doctor` reads it. Nothing is sent yet."""
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's authentication"):
        from nbactl.adapters.gcpproject.api import GoogleApi
        from nbactl.adapters.gcpproject.project import GoogleProject
    return GoogleProject(
        project, GoogleApi(connect=timeouts["http.connect"], request=timeouts["service.admin"]), app.environ
    )


def declared_indexes() -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return the composite indexes that queries need, by collection and fields, as firestore.indexes.json has them."""
    return [
        (index["collectionGroup"], tuple((field["fieldPath"], field["order"]) for field in index["fields"]))
        for index in _index_file()["indexes"]
    ]


def declared_ttl() -> list[tuple[str, str]]:
    """Return the fields, by collection, by which documents expire."""
    overrides = _index_file()["fieldOverrides"]
    return [(field["collectionGroup"], field["fieldPath"]) for field in overrides if field.get("ttl")]


def _index_file() -> Any:  # noqa: ANN401 - JSON
    return json.loads((files("nbactl.adapters.firestore") / "firestore.indexes.json").read_text(encoding="utf-8"))
