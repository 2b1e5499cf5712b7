"""What a PromQL expression names: metrics, their labels, and the values that labels are compared with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import yaml

from nbactl.core.observe.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = files("nbactl.core.observe.metrics")
OF_PROMETHEUS: Final = {"job", "instance"}
"""Labels that every series gets when it is scraped."""
SERIES: Final = {series: metric for metric in METRICS for series in metric.series}


@dataclass(frozen=True)
class Selector:
    """One use of a series: `up{job=~"nbactl.*"}` compares the label `job` with `nbactl.*`, as a pattern."""

    series: str
    matchers: tuple[tuple[str, str, str], ...]


def rules() -> list[dict[str, Any]]:
    """Return the alerting rules."""
    loaded = yaml.safe_load(PACKAGE.joinpath("alerts.rules.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    loaded: dict[str, Any] = json.loads(PACKAGE.joinpath("dashboard.json").read_text(encoding="utf-8"))
    return loaded


def selectors(expression: str) -> Iterator[Selector]:
    """Yield the series that an expression names."""
    for name, inside in re.findall(r"\b(nbactl_\w+|up|ALERTS)\b(?:\{(.*?)\})?", expression):
        found = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', inside)
        assert len(found) == inside.count("="), f"{inside} is written in a way that this test does not read"
        yield Selector(name, tuple(found))


def groupings(expression: str) -> set[str]:
    """Return the labels by which an expression groups or joins."""
    lists = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",")}


def labels_of(series: str) -> set[str]:
    """Return the labels of one of our series as Prometheus has it."""
    metric = SERIES[series]
    bucket = {"le"} if series.endswith("_bucket") else set()
    return {label.name for label in metric.labels} | OF_PROMETHEUS | bucket


def problems(expression: str) -> list[str]:
    """Return what an expression names that is not in the table of metrics."""
    found = []
    known = set(OF_PROMETHEUS)
    for selector in selectors(expression):
        if selector.series in ("up", "ALERTS"):
            continue
        if selector.series not in SERIES:
            found.append(f"there is no series {selector.series}")
            continue
        known |= labels_of(selector.series)
        for label, operator, value in selector.matchers:
            if label not in labels_of(selector.series):
                found.append(f"{selector.series} has no label {label}")
            found += [f"{label} of {selector.series} is never {value}"] * _never(
                selector.series, label, operator, value
            )
    found += [f"nothing in the expression has the label {label}" for label in groupings(expression) - known]
    return found


def _never(series: str, label: str, operator: str, value: str) -> bool:
    values = {each.name: each.values for each in SERIES[series].labels}.get(label)
    if not values:
        return False
    wanted = value.split("|") if "~" in operator else [value]
    return any(not any(re.fullmatch(one, known) for known in values) for one in wanted)
