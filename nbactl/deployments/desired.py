"""A deployed service against what workflows.yaml declares of it: the one comparison that all commands use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast

from nbactl.frozen import frozen
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.config.deployed import DeployedSpec
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.ports.services import DeployedService, SettingName, Settings

Kind = Literal["setting", "variable", "image"]
UNREAD: Final = "a secret"
"""What is found where a variable comes from a secret, whose value is never read."""
_COMMIT: Final = "commit-sha"
"""The label that deploy scripts give a service: the commit that its image was built from."""
_SHORTEST_COMMIT: Final = 7
_SHOWN_DIGEST: Final = 19


@frozen
class Desired:
    """What a service should have; what is not named is not compared."""

    settings: Settings
    env: Mapping[str, str]
    image_tag: str | None


@frozen
class Difference:
    """Something that a service has and should not have.

    `name` is that of the setting or variable, or `image`. `found` is None for what is not set.
    """

    kind: Kind
    name: str
    wanted: str | float
    found: str | float | None
    obstacle: str | None = None
    """Why nbactl cannot change it; None if it can."""


def desired_state(spec: DeployedSpec, timeouts: TimeoutsFile) -> Desired:
    """Return what is declared of a service, with the timeout of its requests in seconds."""
    settings: Settings = {}
    if spec.min_instances is not None:
        settings["min_instances"] = spec.min_instances
    if spec.max_instances is not None:
        settings["max_instances"] = spec.max_instances
    if spec.concurrency is not None:
        settings["concurrency"] = spec.concurrency
    if spec.timeout is not None:
        settings["timeout"] = timeouts[spec.timeout]
    return Desired(settings, spec.env, spec.image_tag)


def differences(service: DeployedService, desired: Desired) -> list[Difference]:
    """Return what of a service is not as desired: settings, then variables by name, then the image."""
    found = [
        Difference("setting", name, wanted, _setting(service, name))
        for name, wanted in desired.settings.items()
        if wanted is not None and _setting(service, name) != wanted
    ]
    found += [
        _variable(service, name, wanted)
        for name, wanted in sorted(desired.env.items())
        if service.env.get(name) != wanted
    ]
    if desired.image_tag is not None and not _is_tagged(service, desired.image_tag):
        obstacle = "An image is changed by a deployment."
        found.append(Difference("image", "image", desired.image_tag, tag_of(service.image), obstacle))
    return found


def edit_for(found: Sequence[Difference]) -> ServiceEdit:
    """Return the change that mends the differences which nbactl can mend."""
    env = {one.name: str(one.wanted) for one in found if one.kind == "variable" and one.obstacle is None}
    settings: Settings = {
        cast("SettingName", one.name): float(one.wanted)
        for one in found
        if one.kind == "setting" and one.obstacle is None
    }
    return ServiceEdit(env=env, settings=settings)


def tag_of(image: str) -> str | None:
    """Return the tag of an image, or the start of its digest if it was deployed by that; None without either."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return tag or digest[:_SHOWN_DIGEST] or None


def commit_of(service: DeployedService) -> str | None:
    """Return the commit that a service was deployed from, by its label."""
    return service.labels.get(_COMMIT) or None


def _setting(service: DeployedService, name: SettingName) -> float | None:
    """Return a setting; without minimum instances a service has none of them."""
    value = service.settings.get(name)
    return 0 if value is None and name == "min_instances" else value


def _variable(service: DeployedService, name: str, wanted: str) -> Difference:
    if name in service.secrets:
        return Difference("variable", name, wanted, UNREAD, "It comes from a secret, which nbactl does not change.")
    return Difference("variable", name, wanted, service.env.get(name), service.unreadable)


def _is_tagged(service: DeployedService, wanted: str) -> bool:
    """Say whether the image has the tag; one deployed by its digest has none, so its commit counts."""
    tag, commit = tag_of(service.image), commit_of(service) or ""
    is_commit = len(wanted) >= _SHORTEST_COMMIT and commit.startswith(wanted)
    return tag == wanted or (tag is not None and tag.startswith("sha256:") and is_commit)
