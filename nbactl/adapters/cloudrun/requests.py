"""Requests to services, made from what workflows.yaml declares: one a task, or one for each game, event or team."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nbactl.errors import DataError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.compute import TaskCall
    from nbactl.ports.warehouse import Warehouse

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_TEAMS: Final = """
SELECT home_team_abbr FROM nba_raw.games WHERE game_date = @day
UNION DISTINCT
SELECT away_team_abbr FROM nba_raw.games WHERE game_date = @day
"""
_PLAYERS: Final = """
SELECT DISTINCT player_lookup FROM nba_analytics.upcoming_player_game_context WHERE game_date = @day
"""
_ITEMS: Final = {
    "game": ("game_id", "SELECT DISTINCT game_id FROM nba_raw.games WHERE game_date = @day"),
    "event": ("event_id", "SELECT DISTINCT event_id FROM nba_raw.games WHERE game_date = @day"),
    "team": ("team", _TEAMS),
    "player": ("player", _PLAYERS),
}
"""The placeholder of each value of `for_each`, and the query of its values on a date."""


@frozen
class ServiceRequest:
    """One request. `item` is the game, event, team or player that it is for, empty for the whole date."""

    task: str
    service: str
    url: str
    path: str
    body: bytes
    item: str
    processor: str | None
    key: str
    """What the request is for, whichever run makes it: task, date and item."""
    region: str
    project: str

    @property
    def known(self) -> tuple[str, ...]:
        """The names under which the service may report the task."""
        return (self.task,)

    @property
    def what(self) -> str:
        """The request in words."""
        return f"{self.service}{self.path}" + (f" for {self.item}" if self.item else "")

    @property
    def describe(self) -> str:
        """The command that shows the service."""
        return self._gcloud("describe")

    @property
    def logs(self) -> str:
        """The command that shows its log."""
        return self._gcloud("logs", "read")

    def grant(self, account: str | None) -> str:
        """Return the command that lets an account call the service."""
        member = f"serviceAccount:{account}" if account else "serviceAccount:ACCOUNT"
        return self._gcloud("add-iam-policy-binding", options=("--member", member, "--role", "roles/run.invoker"))

    def _gcloud(self, *verb: str, options: Sequence[str] = ()) -> str:
        place = ("--region", self.region, "--project", self.project)
        return shlex.join(["gcloud", "run", "services", *verb, self.service, *options, *place])


def items_of(call: TaskCall, warehouse: Callable[[], Warehouse], timeout: float) -> list[dict[str, str]]:
    """Return the placeholders of each request of a task: one empty mapping without `for_each`.

    Raises what a query raises; NotFoundError names the table or column that is missing.
    """
    for_each = call.work.parameters.get("for_each")
    if for_each is None:
        return [{}]
    name, sql = _ITEMS[for_each]
    try:
        result = warehouse().query(sql, {"day": call.game_date}, timeout=timeout, labels=call.labels)
    except NotFoundError as error:
        raise NotFoundError(
            f"{call.task} makes one call for each {for_each}, and these are not known",
            cause=error.message,
            next_step="Load the schedule first, or leave out `for_each` in workflows.yaml.",
        ) from error
    return [{name: value} for value in sorted(str(row[0]) for row in result.rows if row[0] is not None)]


def make_request(call: TaskCall, item: Mapping[str, str], *, url: str, region: str, project: str) -> ServiceRequest:
    """Return the request of a task for one item, with its placeholders filled in."""
    given = call.work.parameters
    values = {
        "game_date": call.game_date.isoformat(),
        "run_id": call.run_id,
        "correlation_id": call.correlation_id,
        **item,
    }
    body = _filled(given.get("body", {}), values, call.task)
    sent = _pushed(body, call) if given.get("push") else body
    name = next(iter(item.values()), "")
    return ServiceRequest(
        task=call.task,
        service=str(call.work.target),
        url=url,
        path=given["path"],
        body=json.dumps(sent).encode(),
        item=name,
        processor=given.get("processor"),
        key=f"{call.task}:{call.game_date}" + (f":{quote(name, safe='')}" if name else ""),
        region=region,
        project=project,
    )


def _filled(value: Any, values: Mapping[str, str], task: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        if unknown := [name for name in _PLACEHOLDER.findall(value) if name not in values]:
            raise DataError(f"{task}: nothing is known for {{{unknown[0]}}}", next_step="Correct workflows.yaml.")
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {key: _filled(inner, values, task) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_filled(inner, values, task) for inner in value]
    return value


def _pushed(body: Any, call: TaskCall) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the body as Pub/Sub pushes a message (cloud.google.com/pubsub/docs/push)."""
    data = base64.b64encode(json.dumps(body).encode()).decode()
    attributes = {"correlation_id": call.correlation_id, "run_id": call.run_id}
    message = {"data": data, "messageId": f"{call.run_id}-{call.task}-{call.attempt}", "attributes": attributes}
    return {"message": message, "subscription": "nbactl"}
