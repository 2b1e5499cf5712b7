"""Writes jobs that are there into workflows.yaml, and leaves every other line of the file as it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap.jobs import LOCAL_SUFFIX, deployed_addresses, read_jobs
from nbactl.cli.ask import Question, proceed
from nbactl.config.jobs import OWN_SERVICES, usual_token
from nbactl.core._support.addresses import origin_of
from nbactl.core.jobs.cron import check_cron, zone_of
from nbactl.deployments.job_forms import JobForm, loses_a_secret
from nbactl.errors import ConfigError, PreconditionError
from nbactl.ports.jobs import HttpTarget, TopicTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.config.loader import Config
    from nbactl.ports.jobs import JobSpec

_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
_USUAL: Final = "scheduler.job"
_PLAIN: Final = re.compile(r"[A-Za-z_][\w.@{}/-]*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


@dataclass(frozen=True, slots=True)
class Imported:
    """Jobs that were written to `file`, or with `dry_run` would be, as `text`; `skipped` says why others were not."""

    file: Path
    names: tuple[str, ...]
    text: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False


class _CannotDeclareError(Exception):
    """A job that workflows.yaml cannot describe."""


def import_jobs(app: Container, *, dry_run: bool = False, confirm: Confirm = proceed) -> Imported:
    """Declare the jobs that are there and not declared. A pause is not declared: it needs a reason.

    Raises PreconditionError if the file is the one inside of the package, ConfigError if it would not be valid.
    """
    services = deployed_addresses(app) or {}
    if app.settings.target == "local":
        services = {name: f"http://{name}{LOCAL_SUFFIX}" for name in OWN_SERVICES}
    entries: dict[str, str] = {}
    skipped: dict[str, str] = {}
    notes: dict[str, str] = {}
    for status in read_jobs(app):
        if status.declared is not None or status.job is None:
            continue
        try:
            entries[status.name] = _entry(app, status.job.spec, services)
        except _CannotDeclareError as why:
            skipped[status.name] = str(why)
            continue
        if status.job.state == "paused":
            notes[status.name] = "it is paused, and stays a finding until `paused:` says why, or it is resumed"
    file = app.config.files["workflows"]
    text = "".join(entries.values())
    done = Imported(file, tuple(entries), text, skipped, notes, dry_run)
    if not entries or dry_run:
        return done
    _write(app.config, file, text, lambda: confirm(Question(f"Write {len(entries)} jobs to {file}?", tuple(entries))))
    return done


def _write(config: Config, file: Path, text: str, ask: Any) -> None:  # noqa: ANN401 - a function
    from pathlib import Path  # noqa: PLC0415 - only this writes
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - as below

    from nbactl.config.loader import FILES, load_config, shipped_config_dir  # noqa: PLC0415 - as above

    if file.parent == shipped_config_dir() and file.parent.name == "shipped":
        raise PreconditionError(
            "workflows.yaml of the installed package is not to be edited", next_step="nbactl config init DIR"
        )
    before = file.read_bytes().decode()  # not as text: that would change the ends of lines
    after = with_jobs(before, text, config)
    with TemporaryDirectory() as folder:
        for key, name in FILES.items():
            content = after if key == "workflows" else config.files[key].read_text(encoding="utf-8")
            (Path(folder) / name).write_bytes(content.encode())
        load_config(Path(folder))
    ask()
    if file.read_bytes().decode() != before:
        raise PreconditionError(f"{file} was changed meanwhile", next_step="Run the same command again.")
    new = file.with_suffix(".yaml.new")
    new.write_bytes(after.encode())
    new.replace(file)


def with_jobs(before: str, text: str, config: Config) -> str:
    """Return the file with more jobs: after the last one that it has, or in a section of its own at its end."""
    lines = before.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if not config.workflows.jobs:
        empty = next((number for number, line in enumerate(lines) if re.match(r"jobs:", line)), None)
        if empty is not None:
            raise ConfigError("jobs: in workflows.yaml is empty", next_step="Remove the line, then import again.")
        return "".join([*lines, "\njobs:\n", text])
    start = config.positions["workflows"].key(("jobs",))[0]
    end = start
    for number in range(start, len(lines)):
        if lines[number].strip() and not lines[number].startswith((" ", "#")):
            break
        if lines[number].startswith(" ") and lines[number].strip():
            end = number + 1
    return "".join([*lines[:end], text, *lines[end:]])


def _entry(app: Container, spec: JobSpec, services: Mapping[str, str]) -> str:
    if loses_a_secret(JobForm(spec, paused=False), None):
        raise _CannotDeclareError("it has a secret, which does not belong into a file: let its service read it itself")
    if (wrong := check_cron(spec.schedule)) is not None:
        raise _CannotDeclareError(f"its schedule '{spec.schedule}' is not valid here: {wrong}")
    if zone_of(spec.timezone) is None:
        raise _CannotDeclareError(f"its time zone {spec.timezone} is not known here")
    keys: list[tuple[str, str]] = []
    if spec.description:
        keys.append(("description", _scalar(spec.description)))
    keys += [("schedule", json.dumps(spec.schedule)), ("timezone", spec.timezone)]
    target = _target(app, spec, services)
    keys.append(("target", _flow(target)))
    if isinstance(spec.target, HttpTarget):
        keys += _token(app, spec.target, usual_token(target.get("service"), spec.target.url))
        keys.append(("attempt_deadline", _deadline(app.config, spec.attempt_deadline)))
    if spec.retries:
        keys.append(("retries", str(spec.retries)))
    return "".join([f"  {spec.name}:\n", *(f"    {key}: {value}\n" for key, value in keys)])


def _target(app: Container, spec: JobSpec, services: Mapping[str, str]) -> dict[str, Any]:
    target = spec.target
    if isinstance(target, TopicTarget):
        if target.topic not in app.config.workflows.topics:
            raise _CannotDeclareError(f"its topic {target.topic} is not one of workflows.yaml")
        return {"topic": target.topic, **_body(target.data), **_some("attributes", dict(target.attributes))}
    if not isinstance(target, HttpTarget):
        raise _CannotDeclareError(f"its target is of a kind that nbactl does not know: {target.kind}")
    if target.method not in _METHODS:
        raise _CannotDeclareError(f"its method {target.method} is not one that workflows.yaml takes")
    method = {} if target.method == "POST" else {"method": target.method}
    origin = origin_of(target.url)
    known = [*app.config.workflows.declared_services, *OWN_SERVICES]
    service = next((name for name, url in services.items() if url.rstrip("/") == origin and name in known), None)
    if service is not None:
        path = target.url.removeprefix(origin) or "/"
        return {"service": service, "path": path, **method, **_body(target.body)}
    return {"url": _placed(app, target.url), **method, **_body(target.body)}


def _token(app: Container, target: HttpTarget, usual: str) -> list[tuple[str, str]]:
    origin = origin_of(target.url)
    keys: list[tuple[str, str]] = [] if target.token == usual else [("token", target.token)]
    if target.token == "oidc" and target.audience != origin:  # noqa: S105 - a kind
        keys.append(("audience", _scalar(_placed(app, target.audience or target.url))))
    if target.token != "none" and target.account is None:  # noqa: S105 - a kind
        raise _CannotDeclareError(f"its {target.token} token has no service account")
    if target.account is not None and target.token != "none":  # noqa: S105 - a kind
        keys.append(("account", _scalar(_placed(app, target.account))))
    return keys


def _placed(app: Container, text: str) -> str:
    project = app.settings.project
    return text if not project else text.replace(project, "{project}").replace(app.settings.region, "{region}")


def _body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise _CannotDeclareError("its body is not JSON") from error
    if not isinstance(found, dict):
        raise _CannotDeclareError("its body is not a JSON object")
    return {"body": found}


def _deadline(config: Config, seconds: float | None) -> str:
    timeouts = {name: timeout.limit for name, timeout in config.timeouts.timeouts.items()}
    names = sorted((name for name, limit in timeouts.items() if limit == seconds), key=lambda name: name != _USUAL)
    ours = [name for name in names if name.startswith(("scheduler.", "task."))]
    if not ours:
        limit = "none" if seconds is None else f"{seconds:g}s"
        raise _CannotDeclareError(
            f"its attempt deadline of {limit} has no name: add one that begins with `scheduler.` to timeouts.yaml"
        )
    return ours[0]


def _some(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {key: value} if value else {}


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and "{" not in text else json.dumps(text)


def _flow(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)
