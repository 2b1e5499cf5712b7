"""Findings that an old code base may keep: recognised by what they are, not by where.

A finding is the same as long as its rule, the function around it and the text of its line are the same, whatever else
of the file changes and wherever the file moves. Of equal findings the number counts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import ENGINE_RULES
from nbactl.core._support.files import read_regular
from nbactl.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbactl.checks.code.engine import Finding

_VERSION: Final = 1
_MOST_BYTES: Final = 64 * 1024 * 1024


def fingerprint(finding: Finding) -> str:
    """Return what stays the same when lines move."""
    text = f"{finding.rule}\0{finding.scope}\0{finding.text}"
    return f"{finding.rule}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def load_baseline(path: Path) -> Counter[str]:
    """Return how many findings of each fingerprint are known. Raises NotFoundError, ConfigError."""
    try:
        content = json.loads(read_regular(path, _MOST_BYTES))
        known = {str(name): int(count) for name, count in content["findings"].items()}
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no baseline {path}", next_step="Create it with --update-baseline, or leave --baseline out."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not a baseline of this nbactl",
            cause=str(error),
            next_step="Create it again: --update-baseline.",
        ) from error
    if content["version"] != _VERSION:
        raise ConfigError(
            f"{path} is a baseline of version {content['version']}", next_step="Create it again: --update-baseline."
        )
    return Counter(known)


def split_known(findings: Sequence[Finding], known: Counter[str]) -> tuple[list[Finding], Counter[str]]:
    """Return the findings that are not known, and how many known ones were met."""
    left, met, new = Counter(known), Counter[str](), []
    for finding in findings:
        name = fingerprint(finding)
        if left[name] > 0:
            left[name] -= 1
            met[name] += 1
        else:
            new.append(finding)
    return new, met


def may_be_known(finding: Finding) -> bool:
    """Return whether a baseline may have the finding: what the engine says of files and comments it may not."""
    return finding.rule not in ENGINE_RULES


def baseline_text(known: Counter[str]) -> str:
    """Return the file: one line a fingerprint, in order, so that it merges."""
    findings = {name: known[name] for name in sorted(known) if known[name] > 0}
    return json.dumps({"version": _VERSION, "findings": findings}, indent=1) + "\n"
