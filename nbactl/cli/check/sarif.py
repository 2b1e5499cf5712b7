"""Findings for other programs: SARIF 2.1 and annotations of GitHub.

SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Annotations:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from nbactl import __version__
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.checks.code.engine import Finding

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a SARIF log with one run."""
    from nbactl.checks.code.baseline import fingerprint  # noqa: PLC0415
    from nbactl.checks.code.rules import RULES  # noqa: PLC0415

    names = list(RULES)
    rules = [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.fix},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in RULES.values()
    ]
    results = [
        {
            "ruleId": each.rule,
            "ruleIndex": names.index(each.rule),
            "level": each.severity,
            "message": {"text": mask(each.message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(each)},
                        "region": {"startLine": each.line, "startColumn": each.column, "endLine": each.end_line},
                    }
                }
            ],
            "partialFingerprints": {"nbactl/v1": fingerprint(each)},
        }
        for each in findings
    ]
    driver = {"name": "nbactl", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _uri(finding: Finding) -> str:
    """Return a relative reference, or an absolute URI for an absolute path."""
    path = finding.path
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def workflow_commands(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a workflow command for each finding."""
    for each in findings:
        place = f"file={_property(str(each.path))},line={each.line},endLine={each.end_line},col={each.column}"
        yield f"::{each.severity} {place},title={_property(each.rule)}::{_data(mask(each.message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
