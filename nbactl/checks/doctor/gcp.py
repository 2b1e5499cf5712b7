"""Checks of a Google Cloud project: who calls, what that account may do, and whether what nbactl needs is there."""

from __future__ import annotations

import shlex
from functools import wraps
from typing import TYPE_CHECKING, Final

from nbactl.checks.doctor.configs import examine_configs
from nbactl.checks.doctor.context import Finding
from nbactl.checks.doctor.jobs import examine_jobs
from nbactl.checks.doctor.permissions import NEEDS, all_permissions
from nbactl.errors import NbactlError, NotAuthorisedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.checks.doctor.context import Check, CheckContext

_EMULATOR: Final = "FIRESTORE_EMULATOR_HOST"
_DATABASE: Final = "--database='(default)'"
_MORE: Final = 3
"""How many further names a message lists."""


def _check(
    name: str, *, emulator: str | None = None
) -> Callable[[Callable[[CheckContext, str], Iterator[Finding]]], Check]:
    """Give a check its project. What it cannot read is a finding: `warn` if it is not allowed to, else `failed`.

    Where Firestore is an emulator, only interfaces that have an `emulator` too are checked.
    """

    def decorated(check: Callable[[CheckContext, str], Iterator[Finding]]) -> Check:
        @wraps(check)
        def run(context: CheckContext) -> Iterator[Finding]:
            project = context.settings.project
            if project is None:
                yield Finding(name, "skipped", "no project is given")
                return
            if context.environ.get(_EMULATOR) and not (emulator and context.environ.get(emulator)):
                but = f", and {emulator} is not" if emulator else ""
                yield Finding(name, "skipped", f"{_EMULATOR} is set{but}")
                return
            try:
                yield from check(context, project)
            except NbactlError as error:
                refused = isinstance(error, NotAuthorisedError) and name not in ("credentials", "firestore")
                fix = error.next_step or "Check the network, the project and the status of Google Cloud."
                yield Finding(name, "warn" if refused else "failed", error.message, error.cause, fix)

        return run

    return decorated


@_check("credentials")
def credentials(context: CheckContext, _: str) -> Iterator[Finding]:
    """Ask Google for a token, and say whose it is."""
    yield Finding("credentials", "ok", context.project().identity())


@_check("firestore", emulator=_EMULATOR)
def firestore(context: CheckContext, project: str) -> Iterator[Finding]:
    """Read one document."""
    context.ask_firestore()
    emulator = context.environ.get(_EMULATOR)
    yield Finding("firestore", "ok", f"{project} answers{f' (emulator {emulator})' if emulator else ''}")


@_check("permissions")
def permissions(context: CheckContext, project: str) -> Iterator[Finding]:
    """Compare what the account may do on the project with what the commands need."""
    missing = all_permissions() - context.project().granted(all_permissions())
    for need in NEEDS:
        if lacking := [permission for permission in need.permissions if permission in missing]:
            grant = ["gcloud", "projects", "add-iam-policy-binding", project, "--member=MEMBER", f"--role={need.role}"]
            cause = f"Missing on the project: {', '.join(lacking)}. It may be granted on a dataset or service alone."
            message = f"not for {', '.join(need.commands)}"
            yield Finding("permissions", "warn", message, cause, shlex.join(grant))
    if not missing:
        yield Finding("permissions", "ok", f"all {len(all_permissions())} that commands need")


@_check("datasets", emulator="BIGQUERY_EMULATOR_HOST")
def datasets(context: CheckContext, project: str) -> Iterator[Finding]:
    """Compare the datasets of declared tables, and their location, with those that are there."""
    wanted, location = context.declared_datasets(), context.settings.dataset_location
    there = context.project().dataset_locations()
    if missing := sorted(wanted - there.keys()):
        fix = f"bq --project_id={project} --location={location} mk --dataset {missing[0]}"
        cause = "`nbactl run --in-process` makes them; commands that only read find nothing."
        yield Finding("datasets", "warn", f"not there: {_listed(missing)}", cause, fix)
    elsewhere = sorted(name for name in wanted & there.keys() if there[name] != location.lower())
    if elsewhere:
        where = sorted({there[name] for name in elsewhere})
        cause = f"One query reads the datasets of one location; settings say {location}."
        fix = f"Give --location {where[0]}, or copy the datasets."
        yield Finding("datasets", "failed", f"in {', '.join(where)}: {_listed(elsewhere)}", cause, fix)
    if not missing and not elsewhere:
        yield Finding("datasets", "ok", f"{len(wanted)} in {location}")


@_check("indexes")
def indexes(context: CheckContext, project: str) -> Iterator[Finding]:
    """Compare the composite indexes that queries need with those of the database."""
    there = context.project().composite_indexes()
    wanted = context.declared_indexes()
    for collection, fields in (index for index in wanted if there.get(index) != "READY"):
        options = [f"--field-config=field-path={name},order={order.lower()}" for name, order in fields]
        place = [f"--project={project}", f"--collection-group={collection}"]
        fix = f"{shlex.join(['gcloud', 'firestore', 'indexes', 'composite', 'create', *place, *options])} {_DATABASE}"
        text = f"{collection} by {', '.join(name for name, _ in fields)}"
        state = there.get((collection, fields))
        if state is None:
            yield Finding("indexes", "failed", f"not there: {text}", "Queries that need it are refused.", fix)
        else:
            wait = "Wait; an index over many documents takes minutes."
            yield Finding("indexes", "warn", f"{state.lower()}: {text}", "Queries that need it are refused.", wait)
    if all(there.get(index) == "READY" for index in wanted):
        yield Finding("indexes", "ok", f"{len(wanted)} composite indexes are ready")


@_check("ttl policies")
def ttl_policies(context: CheckContext, project: str) -> Iterator[Finding]:
    """Compare the TTL policies that delete expired documents with those of the database."""
    name = "ttl policies"
    there, wanted = context.project().ttl_policies(), context.declared_ttl()
    lacking = [policy for policy in wanted if there.get(policy) not in ("ACTIVE", "CREATING")]
    for collection, field in lacking:
        words = ["gcloud", "firestore", "fields", "ttls", "update", field, f"--collection-group={collection}"]
        fix = f"{shlex.join([*words, '--enable-ttl', f'--project={project}'])} {_DATABASE}"
        message = f"none on {collection}.{field}"
        yield Finding(name, "warn", message, "Expired documents stay, and cost storage.", fix)
    if not lacking:
        yield Finding(name, "ok", f"{len(wanted)} delete expired documents")


@_check("topics", emulator="PUBSUB_EMULATOR_HOST")
def topics(context: CheckContext, project: str) -> Iterator[Finding]:
    """Compare the topics of the phases with those of the project."""
    wanted = context.config().workflows.topics
    there = context.project().topics()
    if missing := sorted(wanted - there):
        fix = shlex.join(["gcloud", "pubsub", "topics", "create", missing[0], f"--project={project}"])
        cause = "What is for them stays in the outbox: the next phase does not start."
        yield Finding("topics", "failed", f"not there: {_listed(missing)}", cause, fix)
    else:
        yield Finding("topics", "ok", f"{len(wanted)} topics of the phases")


@_check("subscriptions", emulator="PUBSUB_EMULATOR_HOST")
def subscriptions(context: CheckContext, _: str) -> Iterator[Finding]:
    """Look for subscriptions that lose messages, or deliver them in a hot loop."""
    name, problems = "subscriptions", context.subscriptions()
    for one in problems:
        message = f"{one.subscription}: {one.message}" if one.subscription else one.message
        yield Finding(name, one.status, message, one.cause, one.fix)
    if not problems:
        yield Finding(name, "ok", "pushes have a retry policy, a dead-letter topic and an identity")


@_check("services", emulator="CLOUD_RUN_EMULATOR_HOST")
def services(context: CheckContext, _: str) -> Iterator[Finding]:
    """Compare the declared services with what is deployed: settings, variables, traffic."""
    wanted, problems = context.declared_services(), context.service_problems()
    for message, cause, fix, grave in problems.found:
        yield Finding("services", "failed" if grave else "warn", message, cause, fix)
    for warning in problems.warnings:
        yield Finding("services", "warn", warning)
    if not problems.found:
        yield Finding("services", "ok", f"{len(wanted)} are deployed as declared, and get requests")


@_check("config in use", emulator="CLOUD_RUN_EMULATOR_HOST")
def service_configuration(context: CheckContext, _: str) -> Iterator[Finding]:
    """Compare the configuration that services use with that of the repository."""
    yield from examine_configs(context)


@_check("jobs", emulator="CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER")
def jobs(context: CheckContext, _: str) -> Iterator[Finding]:
    """Look whether the scheduled jobs run: tokens, addresses, pauses, their last attempts."""
    yield from examine_jobs(context)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MORE} more" if len(names) > _MORE else ""
    return f"{', '.join(names[:_MORE])}{more}"


_CHECKS: Final = (
    *(firestore, permissions, datasets, indexes, ttl_policies, topics, subscriptions, services),
    *(service_configuration, jobs),
)


def examine_project(context: CheckContext) -> Iterator[Finding]:
    """Yield what each check of the project finds. Without credentials the rest is not checked."""
    account = list(credentials(context))
    yield from account
    if any(finding.status == "failed" for finding in account):
        yield Finding("project", "skipped", "not checked without credentials")
        return
    for check in _CHECKS:
        yield from check(context)
