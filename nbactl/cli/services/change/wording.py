"""How changes of services are worded: the question, the lines of a plan, and which commands undo and mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question, command_line
from nbactl.core._support.durations import format_duration
from nbactl.core.observe.masking import MASK, is_secret_name, mask
from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.bootstrap import Container
    from nbactl.deployments.plan import ServicePlan, ServicesWork
    from nbactl.ports.services import DeployedService, SettingName, Traffic


@dataclass(frozen=True, slots=True)
class ChangeWording:
    """The commands that a change names: `undo` are the words before the id of a change."""

    undo: tuple[str, ...]
    check: str
    move: Callable[[Container, str], str]
    """Returns the command that moves all requests of a service to its latest revision."""


def _move(app: Container, service: str) -> str:
    return command_line(app.settings, "services", "traffic", service, "--to-latest")


SERVICES: Final = ChangeWording(("services", "undo"), "nbactl services list", _move)


def where_of(app: Container) -> str:
    """Return ` in REGION`; nothing on target local, which has no regions."""
    return f" in {app.settings.region}" if app.target.HAS_DEPLOYED_SERVICES else ""


def question_of(app: Container, work: ServicesWork, effects: Sequence[str] = ()) -> Question:
    """Return what is asked before services are changed."""
    lines: list[str] = []
    for plan in work.plans:
        lines.append(plan.service)
        for mark, text, why in plan_lines(work, plan):
            lines += [f"  {mark} {text}", *([f"      {why}"] if why else [])]
        if (note := pinned_note(plan)) is not None:
            lines.append(f"  {note}")
    lines += [f"  {effect}" for effect in effects]
    count = len(work.plans)
    revisions = any(plan.makes_revision for plan in work.plans)
    then = f"Each service{where_of(app)} gets a new revision." if revisions else "No revision is made."
    return Question(
        f"Change {what_changes(work)} of {count} service{'' if count == 1 else 's'}?", tuple(lines), then=then
    )


def what_changes(work: ServicesWork) -> str:
    """Return what of services changes, such as `2 variables and 1 setting`."""
    settings = sum(len(plan.after.settings) for plan in work.plans)
    parts = [
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((work.variables, "variable"), (settings, "setting"))
        if count
    ]
    if any(plan.after.traffic is not None for plan in work.plans):
        parts.append("the traffic")
    return " and ".join(parts)


def kinds_of(work: ServicesWork) -> str:
    """Return the kinds of what changes, such as `variables and settings`."""
    kinds = {
        "variables": any(plan.after.env for plan in work.plans),
        "settings": any(plan.after.settings for plan in work.plans),
        "traffic": any(plan.after.traffic is not None for plan in work.plans),
    }
    return " and ".join(kind for kind, changes in kinds.items() if changes)


def plan_lines(work: ServicesWork, plan: ServicePlan) -> Iterator[tuple[str, str, str | None]]:
    """Yield for each part of a plan `+`, `-` or `~`, what happens to it, and why."""
    for name, after in plan.after.env.items():
        before, why = plan.before.env[name], work.reasons.get((plan.service, name))
        old, new = quoted(shown(name, before)), quoted(shown(name, after))
        if before is None:
            yield "+", f"{name} = {new}", why
        elif after is None:
            yield "-", f"{name} = {old} is removed", why
        else:
            yield "~", f"{name} = {old} becomes {new}", why
    for setting, value in plan.after.settings.items():
        old, new = (setting_text(setting, each) for each in (plan.before.settings.get(setting), value))
        yield "~", f"{setting} = {old} becomes {new}", work.reasons.get((plan.service, setting))
    if plan.after.traffic is not None:
        yield "~", f"traffic = {shares_text(plan.before.traffic or ())} becomes {shares_text(plan.after.traffic)}", None


def pinned_note(plan: ServicePlan) -> str | None:
    """Return the sentence for a service whose new revision will not get all requests, None for another."""
    service = plan.seen
    if not plan.makes_revision or next_share(service) >= ALL_REQUESTS:
        return None
    return f"Its requests are pinned to {pins_text(service)}: the new revision will get {next_share(service)} %."


def pins_text(service: DeployedService) -> str:
    """Return the revisions that a service's requests are pinned to."""
    pins = [share.revision for share in service.traffic if share.percent and share.revision is not None]
    return ", ".join(pins)


def next_share(service: DeployedService) -> int:
    """Return the percentage of requests that the next revision gets by itself."""
    return sum(share.percent for share in service.traffic if share.revision is None)


def shown(name: str, value: str | None) -> str | None:
    """Return the value of a variable as it may be shown: one that looks like a secret is masked."""
    return value if value is None else MASK if is_secret_name(name) else mask(value)


def quoted(value: str | None) -> str:
    """Return a value in one line."""
    return "''" if not value else value if value.isprintable() and value == value.strip() else repr(value)


def setting_text(name: SettingName, value: float | None) -> str:
    """Return a setting for a person."""
    if value is None:
        return "not set"
    return format_duration(value) if name == "timeout" else f"{value:g}"


def shares_text(shares: Sequence[Traffic]) -> str:
    """Return where requests go, for a person: `scrapers-00003-abc 90 %, latest 10 %`."""
    parts = [
        f"{share.revision or 'latest'} {share.percent} %{f' (tag {share.tag})' if share.tag else ''}"
        for share in shares
        if share.percent or share.tag
    ]
    return ", ".join(parts) or "nowhere"
