"""docs/configuration.md has every key with its default, and no other."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from nbactl import config
from nbactl.config import (
    alert_rules,
    deployed,
    due,
    flags,
    healing,
    jobs,
    retention,
    schedules,
    season,
    timeouts,
    workflows,
)
from nbactl.config.base import NO_ENTRIES, REQUIRED, Strict
from tests.kit.paths import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()
SECTIONS: dict[str, type[Strict]] = {
    "workflows.yaml": workflows.WorkflowsFile,
    "services.*": deployed.DeployedSpec,
    "services.*.smoke": deployed.SmokeSpec,
    "tasks.*": workflows.Task,
    "tasks.*.quarantine": workflows.QuarantineLimits,
    "tasks.*.service": workflows.ServiceSpec,
    "phases.*": workflows.Phase,
    "phases.*.fan_out": workflows.FanOut,
    "phases.*.expected": workflows.ExpectedModes,
    "phases.*.expected.overnight": workflows.ExpectedNames,
    "phases.*.due": due.DueTimes,
    "phases.*.due.overnight": due.DueTime,
    "phases.*.hand_off": workflows.HandOffSpec,
    "phases.*.hand_off.tiers[]": workflows.TierSpec,
    "phases.*.tasks[]": workflows.TaskUse,
    "workflows.*": workflows.Workflow,
    "workflows.*.alerts": workflows.WorkflowAlerts,
    "workflows.*.schedule": schedules.Schedule,
    "workflows.*.schedule.between": schedules.TimeWindow,
    "alerts": workflows.AlertsSpec,
    "alerts.run_failed": workflows.AlertSpec,
    "alerts.rules.*": alert_rules.AlertRule,
    "season.*": season.SeasonSpec,
    "season.*.breaks[]": season.SeasonBreak,
    "healing": healing.HealingSpec,
    "healing.kinds.*": healing.HealSpec,
    "jobs.*": jobs.JobDeclaration,
    "jobs.*.target": jobs.JobTarget,
    "jobs.*.paused": jobs.JobPause,
    "timeouts.yaml": timeouts.TimeoutsFile,
    "timeouts.*": timeouts.Timeout,
    "retry_policies.*": timeouts.Retry,
    "deadlines.*": timeouts.DeadlineSpec,
    "breakers.*": timeouts.BreakerSpec,
    "call_policies.*": timeouts.Call,
    "call_policies.*.throttle": timeouts.RateLimitSpec,
    "leases.*": timeouts.LeaseSpec,
    "retention.*": retention.Keep,
    "flags.yaml": flags.FlagsFile,
    "flags.*": flags.Flag,
    "flags.*.targeting": flags.Targeting,
    "flags.*.targeting.rules[]": flags.TargetingRule,
    "rollout": flags.RolloutSection,
    "rollout.plans.*": flags.RolloutPlan,
    "rollout.plans.*.stages[]": flags.Stage,
    "rollout.guards.*": flags.Guard,
}


def documented(section: str) -> dict[str, str]:
    _, found, rest = PAGE.partition(f"\n## {section}\n" if section.endswith(".yaml") else f"\n### {section}\n")
    assert found, f"docs/configuration.md has no section {section}"
    text = re.split(r"\n##", rest)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", text, re.MULTILINE))


def default(value: Any) -> str:
    if value is REQUIRED:
        return "required"
    return (
        "none" if value in (None, (), NO_ENTRIES) else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_the_keys_of_its_model_with_their_defaults(section: str) -> None:
    model = SECTIONS[section]
    assert documented(section) == {key: default(model.defaults[name]) for name, key in model.keys.items()}


def test_there_is_no_section_without_a_model() -> None:
    headings = re.findall(r"^###? (.+)$", PAGE, re.MULTILINE)
    assert headings == list(SECTIONS)


def test_every_model_has_a_section() -> None:
    shared = {workflows.Executable, Strict}
    models = {
        each
        for found in iter_modules(config.__path__)
        for module in [import_module(f"nbactl.config.{found.name}")]
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Strict) and each.__module__ == module.__name__
    }
    assert models - shared == set(SECTIONS.values())
