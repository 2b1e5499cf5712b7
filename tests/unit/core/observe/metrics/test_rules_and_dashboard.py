"""The alert rules and the dashboard name what the table of metrics has, and the real promtool takes them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from nbactl.core.observe.metrics import METRICS
from tests.kit import promql
from tests.kit.paths import ROOT
from tests.kit.prometheus import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = {rule["alert"]: rule for rule in promql.rules()}
RULE_TESTS = ROOT / "tests" / "data" / "metrics" / "alerts.tests.yml"
DASHBOARD = promql.dashboard()
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_names_metrics_and_labels_of_the_table(alert: str) -> None:
    assert promql.problems(RULES[alert]["expr"]) == []


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_says_how_bad_it_is_what_happened_and_what_to_do(alert: str) -> None:
    rule = RULES[alert]
    assert alert.startswith("Nbactl")
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert len(rule["annotations"]["summary"]) < 100
    assert len(rule["annotations"]["description"]) > 60
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    kept = promql.groupings(rule["expr"]) or set().union(*map(_labels, promql.selectors(rule["expr"])))
    assert shown <= kept


def _labels(selector: promql.Selector) -> set[str]:
    return promql.OF_PROMETHEUS if selector.series == "up" else promql.labels_of(selector.series)


def test_the_commands_that_rules_advise_exist() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    advised = set(re.findall(r"nbactl (?:status|(?:runs|flags) [a-z]+)", str(RULES)))
    assert len(advised) > 4
    assert [command for command in advised if command not in reference] == []


def test_the_real_promtool_takes_the_rules() -> None:
    promtool("check", "rules", str(promql.PACKAGE / "alerts.rules.yml"))


def test_each_rule_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", RULE_TESTS)


def test_each_rule_has_a_test_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    for word, wanted in (("fires", True), ("is silent", False)):
        tested = set()
        for test in yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]:
            alert, _, rest = test["name"].partition(" ")
            if rest.startswith(word):
                (asked,) = test["promql_expr_test"]
                assert f'alertname="{alert}"' in asked["expr"]
                assert bool(asked["exp_samples"]) is wanted
                tested.add(alert)
        assert tested == set(RULES)


def expressions() -> Iterator[tuple[str, dict[str, Any], str]]:
    for title, panel in PANELS.items():
        for target in panel["targets"]:
            yield title, target, target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_names_metrics_and_labels_of_the_table(title: str) -> None:
    for name, target, expression in expressions():
        if name == title:
            assert promql.problems(expression) == []
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert shown <= promql.groupings(expression)


def test_the_real_promtool_takes_what_the_panels_ask(tmp_path: Path) -> None:
    asked = [
        {"record": f"panel:{number}", "expr": expression} for number, (_, _, expression) in enumerate(expressions())
    ]
    rules = tmp_path / "panels.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}), encoding="utf-8")
    promtool("check", "rules", rules)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {selector.series for _, _, expression in expressions() for selector in promql.selectors(expression)}
    assert [metric.name for metric in METRICS if not shown & set(metric.series)] == []


def test_the_dashboard_can_be_imported_with_any_data_source() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert promql.problems(variables["job"]["definition"].replace("label_values(", "").partition(",")[0]) == []
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS.values():
        assert panel["datasource"] == source
        assert [target["datasource"] for target in panel["targets"]] == [source] * len(panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"]
    assert DASHBOARD["schemaVersion"] >= 36


def test_the_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(nbactl_runs[5m])", "there is no series nbactl_runs"),
        ('nbactl_runs_total{run_id="1"}', "nbactl_runs_total has no label run_id"),
        ('nbactl_runs_total{status="succeded"}', "status of nbactl_runs_total is never succeded"),
        ('nbactl_runs_total{status=~"failed|partail"}', "status of nbactl_runs_total is never failed|partail"),
        ("sum by (task) (nbactl_runs_total)", "nothing in the expression has the label task"),
    ],
)
def test_a_name_that_is_not_in_the_table_would_be_found(expression: str, problem: str) -> None:
    assert promql.problems(expression) == [problem]
