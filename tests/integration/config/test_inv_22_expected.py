"""What production is expected to report, and when a phase leads on, is what the file says (invariant 22)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.expected import expectations
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.modes import MODES, Mode, mode_of
from tests.integration.config.keys import proves
from tests.integration.config.project import Project
from tests.kit.production import PHASE2, PHASE3, PHASE4

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.phases.modes import PhaseExpectation

NOW = datetime(2025, 1, 15, 17, tzinfo=UTC)
OF_MODE: dict[Mode, int] = {"overnight": -1, "same_day": 0, "tomorrow": 1}
NAMES = ["first_a", "second_b", "third_c"]


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def declared(project: Project, mode: str, names: dict[str, list[str]], **hand_off: Any) -> PhaseExpectation:
    phase = project.workflows["phases"]["first"]
    phase["expected"] = {key: names if key == mode else {"critical": ["other"]} for key in MODES}
    if hand_off:
        phase["hand_off"] = hand_off
    return expectations(project.load().workflows, "gcp")["first"]


@pytest.mark.parametrize("mode", MODES)
@proves(*(f"workflows.yaml: phases.*.expected.{mode}.critical" for mode in MODES))
@proves(*(f"workflows.yaml: phases.*.expected.{mode}.optional" for mode in MODES))
def test_inv_22_expected_by_mode(project: Project, mode: Mode) -> None:
    found = declared(project, mode, {"critical": NAMES[:1], "optional": NAMES[1:]})
    assert found.names == {*NAMES, "other"}
    assert found.known == {*found.names, "fetch", "count"}, "its tasks may report too"
    for other, days in OF_MODE.items():
        expected = found.of(mode_of(GameDate.of(NOW).plus(days), NOW))
        assert expected.critical == ((NAMES[0],) if other == mode else ("other",))
        assert expected.optional == (tuple(NAMES[1:]) if other == mode else ())


@proves("workflows.yaml: phases.*.hand_off.majority")
def test_inv_22_majority(project: Project) -> None:
    for majority, leads_on in ((0.3, True), (0.6, False)):
        found = declared(project, "overnight", {"critical": NAMES[:1], "optional": NAMES[1:]}, majority=majority)
        assert (found.hand_off.reason(found.of("overnight"), NAMES[:1], 0) is not None) is leads_on


@proves("workflows.yaml: phases.*.hand_off.majority_after")
def test_inv_22_majority_after(project: Project) -> None:
    keys: dict[str, Any] = {"majority": 0.3, "majority_after": "3m"}
    found = declared(project, "overnight", {"critical": NAMES[:1], "optional": NAMES[1:]}, **keys)
    expected = found.of("overnight")
    reasons = [found.hand_off.reason(expected, NAMES[:1], waited) for waited in (179, 180)]
    assert reasons == [None, "critical_plus_majority_33pct"]
    assert found.hand_off.reason(expected, NAMES[:1], 0, ended=NAMES[1:]) == "critical_plus_majority_33pct"


@proves("workflows.yaml: phases.*.hand_off.tiers[].after", "workflows.yaml: phases.*.hand_off.tiers[].at_least")
def test_inv_22_tiers(project: Project) -> None:
    tiers = [{"after": "30m", "at_least": 2}, {"after": "1h", "at_least": 1}]
    found = declared(project, "overnight", {"critical": NAMES[:1], "optional": NAMES[1:]}, tiers=tiers)
    needed = [
        min(n for n in (1, 2, 3) if found.hand_off.reason(found.of("overnight"), NAMES[:n], waited))
        for waited in (1799, 1800, 3599, 3600)
    ]
    assert needed == [3, 2, 2, 1]


def test_a_phase_that_declares_nothing_expects_its_tasks(project: Project) -> None:
    found = expectations(project.load().workflows, "gcp")["first"]
    assert (found.declared, found.of("tomorrow").critical, found.of("tomorrow").optional) == (
        False, ("fetch",), ("count",),
    )  # fmt: skip


def test_what_is_shipped_is_what_production_reports() -> None:
    found = expectations(load_config(shipped_config_dir()).workflows, "gcp")
    assert [name for name, phase in found.items() if phase.declared] == ["phase2", "phase3", "phase4"]
    for mode in MODES:
        assert found["phase2"].of(mode).critical == PHASE2[:3]
        assert found["phase2"].of(mode).optional == PHASE2[3:]
        assert set(found["phase4"].of(mode).names) == set(PHASE4)
        assert set(found["phase4"].of(mode).critical) == {"player_daily_cache", "ml_feature_store"}
    assert set(found["phase3"].of("overnight").names) == set(PHASE3)
    assert set(found["phase3"].of("overnight").critical) == {"player_game_summary", "upcoming_player_game_context"}
    for mode in ("same_day", "tomorrow"):
        assert found["phase3"].of(mode).critical == ("upcoming_player_game_context",)
        assert found["phase3"].of(mode).optional == ("upcoming_team_game_context",)
    overnight = found["phase3"].of("overnight")
    reason = found["phase3"].hand_off.reason
    assert reason(overnight, [*overnight.critical], 180) is None
    most = [*overnight.critical, overnight.optional[0]]
    assert (reason(overnight, most, 179), reason(overnight, most, 180)) == (None, "critical_plus_majority_60pct")
    assert [(tier.after, tier.at_least) for tier in found["phase4"].hand_off.tiers] == [
        (1800, 4), (3600, 3), (14400, 0),
    ]  # fmt: skip
