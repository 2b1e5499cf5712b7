"""What the services of this machine do not take, and how variables are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core.observe.masking import is_secret_name
from nbactl.errors import DataError
from nbactl.ports.service_rules import check_count, check_settings, processes_of

if TYPE_CHECKING:
    from nbactl.adapters.localrun.records import RevisionRecord
    from nbactl.ports.services import ServiceEdit, Settings

MOST_INSTANCES: Final = 16
"""Processes of one service: more would only slow this machine down."""


def check_here(edit: ServiceEdit) -> None:
    """Raise DataError for what processes of this machine cannot do."""
    if edit.settings.get("timeout") is not None:
        raise DataError(
            "the services of this machine have no timeout of their own",
            cause="Each route has the limit of its work in timeouts.yaml.",
            next_step="Change a limit there, such as service.phase or task.worker.",
            details={"setting": "timeout"},
        )
    shares = edit.traffic or ()
    if len([share for share in shares if share.percent]) > 1:
        raise DataError(
            "the requests of a service of this machine are not split",
            cause="Its processes share one socket, and any of them takes the next request.",
            next_step="Give one revision all requests, or follow the latest.",
        )
    if any(share.tag is not None for share in shares):
        raise DataError("a revision of this machine has no address of its own", next_step="Leave the tag out.")


def merged_settings(newest: RevisionRecord, edit: ServiceEdit) -> Settings:
    """Return the settings after a change. Raises DataError for settings that do not go together, or too many."""
    settings: Settings = {**newest.settings, **edit.settings}
    settings["min_instances"] = settings["min_instances"] or 0
    check_settings(newest.service, settings)
    if (wanted := processes_of(settings)) > MOST_INSTANCES:
        raise DataError(
            f"{wanted} processes of one service are too many for this machine",
            cause=f"At most {MOST_INSTANCES} are started.",
            next_step=f"Give {MOST_INSTANCES} or less.",
            details={"setting": "min_instances"},
        )
    return settings


def merged(newest: RevisionRecord, edit: ServiceEdit) -> dict[str, str]:
    """Return the variables after a change. Raises DataError for a secret, and for too many."""
    for name, value in edit.env.items():
        if name in newest.secrets:
            raise DataError(
                f"{name} of {newest.service} comes from a secret, and is not changed",
                cause="`nbactl up` passes it on from its own environment, and it is stored nowhere.",
                next_step="Set it where `nbactl up` is started, and start that again.",
                details={"service": newest.service, "variable": name},
            )
        if value is not None and is_secret_name(name):
            raise DataError(
                f"{name} looks like a secret, and its value would be kept in the document store",
                next_step="Set it where `nbactl up` is started, and start that again.",
                details={"service": newest.service, "variable": name},
            )
    wanted: dict[str, str | None] = {**newest.env, **edit.env}
    env = {name: value for name, value in wanted.items() if value is not None}
    check_count(newest.service, len(env) + len(newest.secrets))
    if edit.env_order:
        place = {name: number for number, name in enumerate(edit.env_order)}
        env = dict(sorted(env.items(), key=lambda entry: place.get(entry[0], len(place))))
    return env
