"""What of a job its owner decides, as a saved change keeps it: without secrets, which stay with the job."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbactl.core.jobs.stored import spec_from, spec_to
from nbactl.core.observe.masking import MASK, is_secret_name, mask, mask_within
from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.jobs import HttpTarget, TopicTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.jobs import JobSpec, ScheduledJob


@frozen
class JobForm:
    """A job as its owner wants it. `broken`: the scheduler disabled it, or an update of it failed."""

    spec: JobSpec
    paused: bool
    broken: bool = False


def form_of(job: ScheduledJob | None) -> JobForm | None:
    """Return what of a job its owner decides, None of a job that is not there."""
    if job is None:
        return None
    return JobForm(job.spec, job.state == "paused", broken=job.state in {"disabled", "update_failed"})


def form_to(form: JobForm | None) -> dict[str, Any] | None:
    """Return a form as data, without secrets."""
    if form is None:
        return None
    return {"spec": spec_to(_masked(form.spec)), "paused": form.paused, "broken": form.broken}


def form_from(data: dict[str, Any] | None) -> JobForm | None:
    """Return the form of `form_to`; what was secret is masked in it."""
    if data is None:
        return None
    return JobForm(spec_from(data["spec"]), bool(data["paused"]), broken=bool(data.get("broken")))


def without_secrets(form: JobForm | None) -> JobForm | None:
    """Return a form as `form_from` gives it."""
    return None if form is None else replace(form, spec=_masked(form.spec))


def loses_a_secret(before: JobForm, after: JobForm | None) -> bool:
    """Say whether a change loses something that no change keeps, so that undo could not bring it back."""
    try:
        with_secrets(replace(before, spec=_masked(before.spec)), after)
    except PreconditionError:
        return True
    return False


def with_secrets(form: JobForm, there: JobForm | None) -> JobForm:
    """Return a form with the secrets that the job has now. Raises PreconditionError for one that it has not."""
    spec, target, now = form.spec, form.spec.target, None if there is None else there.spec

    def text(saved: str, has: str) -> str:
        return has if MASK in saved and mask(has) == saved else _kept(form, saved)

    def named(saved: Mapping[str, str], has: Mapping[str, str]) -> dict[str, str]:
        return {
            name: has[name] if MASK in value and name in has else _kept(form, value) for name, value in saved.items()
        }

    def body(saved: bytes, has: bytes) -> bytes:
        if MASK.encode() not in saved or _masked_body(has) != saved:
            _kept(form, saved.decode(errors="replace"))
            return saved
        return has

    if isinstance(target, HttpTarget):
        had = now.target if now is not None and isinstance(now.target, HttpTarget) else HttpTarget("")
        headers = named(target.headers, had.headers)
        target = replace(target, url=text(target.url, had.url), headers=headers, body=body(target.body, had.body))
    elif isinstance(target, TopicTarget):
        sent = now.target if now is not None and isinstance(now.target, TopicTarget) else TopicTarget("")
        attributes = named(target.attributes, sent.attributes)
        target = replace(target, data=body(target.data, sent.data), attributes=attributes)
    description = text(spec.description, "" if now is None else now.description)
    return replace(form, spec=replace(spec, target=target, description=description))


def _kept(form: JobForm, saved: str) -> str:
    """Return a text that a change has kept whole."""
    if MASK in saved:
        raise PreconditionError(
            f"job {form.spec.name} had a secret, which is not kept with a change",
            cause="The job does not have it any more.",
            next_step="Make the job again by hand, with its secret.",
        )
    return saved


def _masked(spec: JobSpec) -> JobSpec:
    target = spec.target
    if isinstance(target, HttpTarget):
        body = _masked_body(target.body)
        target = replace(target, url=mask(target.url), headers=_masked_values(target.headers), body=body)
    elif isinstance(target, TopicTarget):
        attributes = _masked_values(target.attributes)
        target = replace(target, data=_masked_body(target.data), attributes=attributes)
    return replace(spec, target=target, description=mask(spec.description))


def _masked_values(values: Mapping[str, str]) -> dict[str, str]:
    return {name: MASK if is_secret_name(name) else mask(value) for name, value in values.items()}


def _masked_body(body: bytes) -> bytes:
    """Return a body without secrets, of JSON also those that only the name of their field tells."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    try:
        found = json.loads(text)
    except ValueError:
        return mask(text).encode()
    masked = mask_within(found)
    return body if masked == found else json.dumps(masked).encode()
