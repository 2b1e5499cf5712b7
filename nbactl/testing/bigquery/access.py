"""Who may do what: a bearer token that requests must have, and permissions that are denied.

https://cloud.google.com/bigquery/docs/access-control
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from nbactl.testing.bigquery.http import Request
    from nbactl.testing.bigquery.store import Name


class Access:
    """Everything is allowed until a test says otherwise."""

    def __init__(self, project: str) -> None:
        self.token: str | None = None
        self.denied: dict[str, str] = {}
        self._project = project

    def check_token(self, request: Request) -> None:
        """Raise ApiError authError if a request lacks the token."""
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            raise ApiError(
                "authError",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
                "valid authentication credential. See "
                "https://developers.google.com/identity/sign-in/web/devconsole-project.",
            )

    def check_request(self, permission: str, request: Request, names: list[str]) -> None:
        """Raise ApiError accessDenied if a request needs a permission that is denied; `names` are those in its path."""
        match = self.denied.get(permission)
        if match is not None and match in request.text:
            raise self._refused(permission, names)

    def check_table(self, permission: str, name: Name) -> None:
        """Raise ApiError accessDenied if a statement needs a permission on a table that is denied."""
        match = self.denied.get(permission)
        if match is not None and match in ".".join(name):
            raise self._refused(permission, list(name))

    def check_project(self, permission: str) -> None:
        """Raise ApiError accessDenied if a statement needs a permission on the project that is denied."""
        if permission in self.denied:
            raise self._refused(permission, [])

    def _refused(self, permission: str, names: list[str]) -> ApiError:
        if permission.startswith("bigquery.jobs"):
            at = self._project
            return ApiError(
                "accessDenied",
                f"Access Denied: Project {at}: User does not have {permission} permission in project {at}.",
            )
        kind = "Dataset" if len(names) == 1 else "Table" if names else "Project"
        what = f"{self._project}:{'.'.join(names)}" if names else self._project
        return ApiError(
            "accessDenied",
            f"Access Denied: {kind} {what}: Permission {permission} denied on {kind.lower()} {what} "
            "(or it may not exist).",
        )
