"""What of a job its owner decides, as a saved change keeps it: without secrets, which stay with the job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbactl.core.jobs.stored import spec_from, spec_to
from nbactl.core.observe.masking import MASK, is_secret_name, mask
from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.jobs import HttpTarget

if TYPE_CHECKING:
    from nbactl.ports.jobs import JobSpec, ScheduledJob


@frozen
class JobForm:
    """A job as its owner wants it."""

    spec: JobSpec
    paused: bool


def form_of(job: ScheduledJob | None) -> JobForm | None:
    """Return what of a job its owner decides, None of a job that is not there."""
    return None if job is None else JobForm(job.spec, job.state != "enabled")


def form_to(form: JobForm | None) -> dict[str, Any] | None:
    """Return a form as data, without secrets."""
    return None if form is None else {"spec": spec_to(_masked(form.spec)), "paused": form.paused}


def form_from(data: dict[str, Any] | None) -> JobForm | None:
    """Return the form of `form_to`; what was secret is masked in it."""
    return None if data is None else JobForm(spec_from(data["spec"]), bool(data["paused"]))


def without_secrets(form: JobForm | None) -> JobForm | None:
    """Return a form as `form_from` gives it."""
    return None if form is None else replace(form, spec=_masked(form.spec))


def with_secrets(form: JobForm, there: JobForm | None) -> JobForm:
    """Return a form with the secrets that the job has now. Raises PreconditionError for one that it has not."""
    target = form.spec.target
    if not isinstance(target, HttpTarget):
        return form
    now = there.spec.target if there is not None else None
    has = now if isinstance(now, HttpTarget) else HttpTarget("")
    headers = {name: _filled(form, value, has.headers.get(name)) for name, value in target.headers.items()}
    url = has.url if MASK in target.url and mask(has.url) == target.url else _filled(form, target.url, None)
    body = has.body if MASK.encode() in target.body and _masked_body(has.body) == target.body else target.body
    if MASK.encode() in body and body is target.body:
        raise _gone(form)
    return replace(form, spec=replace(form.spec, target=replace(target, url=url, headers=headers, body=body)))


def _filled(form: JobForm, value: str, there: str | None) -> str:
    if MASK not in value:
        return value
    if there is None:
        raise _gone(form)
    return there


def _gone(form: JobForm) -> PreconditionError:
    return PreconditionError(
        f"job {form.spec.name} had a secret, which is not kept with a change",
        cause="The job of now does not have it.",
        next_step="Make the job again by hand, with its secret.",
    )


def _masked(spec: JobSpec) -> JobSpec:
    target = spec.target
    if not isinstance(target, HttpTarget):
        return spec
    headers = {name: MASK if is_secret_name(name) else mask(value) for name, value in target.headers.items()}
    target = replace(target, url=mask(target.url), headers=headers, body=_masked_body(target.body))
    return replace(spec, target=target)


def _masked_body(body: bytes) -> bytes:
    try:
        return mask(body.decode()).encode()
    except UnicodeDecodeError:
        return body
