"""What revisions and the change log show of a service: ages, losses, a drift that came back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nbactl.deployments.desired import Difference
from nbactl.deployments.history import Past, ages, drift_history, lost_variables, since_when
from nbactl.deployments.records import ChangeRecord, ServiceChange
from nbactl.deployments.survey import came_back
from nbactl.ports.services import DeployedService, Revision, ServiceEdit, Traffic

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
CI, ANA = "ci@example.com", "ana@example.com"
MODE = Difference("variable", "MODE", "fast", "slow")


def revision(number: int, env: dict[str, str], by: str = CI, **given: object) -> Revision:
    settings = {"min_instances": given.get("least", 0)}
    secrets = frozenset({"KEY"}) if given.get("secret", True) else frozenset()
    at = NOW + timedelta(hours=number)
    return Revision(f"worker-{number}", at, True, None, env, secrets, settings, "p/worker:1", by)  # type: ignore[arg-type]  # noqa: FBT003


def service_of(newest: Revision, **given: frozenset[str]) -> DeployedService:
    return DeployedService(
        "worker", "", newest.env, newest.secrets, newest.name, newest.name, (Traffic(100, None),), "1",
        image=newest.image, settings=newest.settings, **given,  # type: ignore[arg-type]
    )  # fmt: skip


def change(
    number: int, before: dict[str, str | None], after: dict[str, str | None], outcome: str = "done"
) -> ChangeRecord:
    changed = ServiceChange("worker", ServiceEdit(env=before), ServiceEdit(env=after), outcome)
    return ChangeRecord(f"svc-{number}", NOW + timedelta(hours=number), ANA, None, "p/r", (changed,))


def past(*revisions: Revision, changes: tuple[ChangeRecord, ...] = ()) -> Past:
    """Return the past; the revisions are given the oldest first."""
    return Past(revisions[::-1], lambda: changes)


def test_a_value_is_as_old_as_the_first_revision_in_a_row_that_has_it() -> None:
    revisions = [revision(1, {"MODE": "slow"}), revision(2, {"MODE": "fast"}, ANA), revision(3, {"MODE": "fast"})]
    found = ages(service_of(revisions[-1]), revisions[::-1])
    mode, key = found["variable", "MODE"], found["variable", "KEY"]
    assert (mode.revision, mode.by, mode.is_oldest) == ("worker-2", ANA, False)
    assert (key.revision, key.is_oldest) == ("worker-1", True)


def test_what_is_set_for_the_service_as_a_whole_has_no_age() -> None:
    newest = revision(1, {})
    service = service_of(newest, service_wide=frozenset({"min_instances"}))
    assert since_when(service, [newest], "setting", "min_instances") is None
    difference = Difference("setting", "min_instances", 1, 0)
    assert drift_history(service, difference, past(newest)).by == ()


def test_a_drift_that_came_back_names_how_often_and_by_whom() -> None:
    right, wrong = {"MODE": "fast"}, {"MODE": "slow"}
    revisions = [
        revision(1, right, ANA), revision(2, wrong), revision(3, wrong, "other@example.com"),
        revision(4, right, ANA), revision(5, wrong), revision(6, wrong),
    ]  # fmt: skip
    history = drift_history(service_of(revisions[-1]), MODE, past(*revisions))
    assert (history.returned, history.by) == (1, ((CI, 2),))
    assert history.since is not None
    assert history.since.revision == "worker-5"
    assert came_back(history) == f"It came back once after it was mended; brought by {CI} twice."


def test_a_drift_that_was_never_mended_did_not_come_back() -> None:
    revisions = [revision(1, {"MODE": "fast"}), revision(2, {"MODE": "slow"})]
    history = drift_history(service_of(revisions[-1]), MODE, past(*revisions))
    assert (history.returned, came_back(history)) == (0, None)


def test_repairs_with_nbactl_count_though_their_revisions_are_gone() -> None:
    mends = (
        change(1, {"MODE": "slow"}, {"MODE": "fast"}),
        change(3, {"MODE": "slow"}, {"MODE": "fast"}),
        change(4, {"MODE": "slow"}, {"MODE": "fast"}, "conflict"),
    )
    newest = revision(9, {"MODE": "slow"})
    history = drift_history(service_of(newest), MODE, past(newest, changes=mends))
    assert (history.returned, history.mended_by, history.mended_with) == (2, ANA, "svc-3")


FULL = {"PROJECT": "p", "TOPIC": "t", "MODE": "m"}


def test_incident_8_a_replacing_deployment_is_found_though_others_followed() -> None:
    revisions = [revision(1, FULL), revision(2, {"MODE": "x"}, secret=False), revision(3, {"MODE": "y"}, secret=False)]
    loss = lost_variables(service_of(revisions[-1]), past(*revisions))
    assert loss is not None
    assert (loss.names, loss.revision.name, loss.before.name) == (("KEY", "PROJECT", "TOPIC"), "worker-2", "worker-1")


def test_what_came_back_what_was_removed_with_nbactl_and_a_single_variable_are_not_lost() -> None:
    emptied = revision(2, {"MODE": "x"})
    back = [revision(1, FULL), emptied, revision(3, FULL)]
    assert lost_variables(service_of(back[-1]), past(*back)) is None
    removed = change(2, {"PROJECT": "p", "TOPIC": "t"}, {"PROJECT": None, "TOPIC": None})
    assert lost_variables(service_of(emptied), past(revision(1, FULL), emptied, changes=(removed,))) is None
    some_back = revision(3, {"MODE": "x", "PROJECT": "p"})
    loss = lost_variables(service_of(some_back), past(revision(1, FULL), revision(2, {"MODE": "x"}), some_back))
    assert loss is not None
    assert loss.names == ("TOPIC",)
    many = revision(1, {**FULL, "A": "1", "B": "2"})
    two_less = revision(2, FULL)
    assert lost_variables(service_of(two_less), past(many, two_less)) is None
    fewer = revision(2, {"PROJECT": "p", "TOPIC": "t"})
    assert lost_variables(service_of(fewer), past(revision(1, FULL), fewer)) is None
