"""Check code with the rules, keep what an old code base may keep, and write the safe rewrites."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbactl.checks.code.engine import Checked, Finding, UnparsedText
    from nbactl.checks.code.rule import Rule
    from nbactl.checks.sql.tables import Tables


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What to look at, and what to do with what is found."""

    paths: tuple[Path, ...]
    rules: tuple[str, ...] = ()
    since: str | None = None
    baseline: Path | None = None
    update_baseline: bool = False
    fix: bool = False
    dry_run: bool = False
    exclude: tuple[Path, ...] = ()

    def check(self) -> None:
        """Raise UsageError for options that do not go together."""
        if self.update_baseline and self.baseline is None:
            raise UsageError("--update-baseline needs --baseline FILE", next_step="Name the file of the baseline.")
        if self.update_baseline and (self.rules or self.since or self.fix):
            raise UsageError(
                "--update-baseline cannot be combined with --rule, --since or --fix",
                cause="Known findings that this call does not look at would be forgotten.",
                next_step="Run it with --baseline alone.",
            )
        if self.dry_run and not (self.fix or self.update_baseline):
            raise UsageError("--dry-run needs --fix or --update-baseline", cause="Without them nothing is changed.")


@dataclass(frozen=True, slots=True)
class CodeChecked:
    """What was found. `known` findings are in the baseline, `fixed` ones are rewritten; neither is in `findings`."""

    files: int
    contents: int
    analysed: int
    findings: tuple[Finding, ...]
    known: int = 0
    gone: int = 0
    """Findings of the baseline that are no more."""
    fixed: tuple[Finding, ...] = ()
    dry_run: bool = False
    unparsed: tuple[UnparsedText, ...] = ()
    """SQL that was not looked at."""
    statements: int = 0

    @property
    def summary(self) -> dict[str, int]:
        """How many findings each rule has, the most first."""
        return dict(Counter(finding.rule for finding in self.findings).most_common())


def check_code(
    request: CodeRequest, tables: Tables | None = None, more: Callable[[Checked], None] | None = None
) -> CodeChecked:
    """Look at code with the rules; with `tables` at the SQL in it, and at what `more` adds.

    Raises NotFoundError for a path, a revision or a baseline that is not there, UsageError for an unknown rule, and if
    ruff is missing.
    """
    from nbactl.checks.code import baseline  # noqa: PLC0415 - loads the parser of Python
    from nbactl.checks.code.engine import Checked, check_files  # noqa: PLC0415
    from nbactl.checks.code.fixing import fix_all, replace_file  # noqa: PLC0415

    request.check()
    creates = request.update_baseline and request.baseline is not None and not request.baseline.exists()
    old = Counter[str]()
    if request.baseline is not None and not creates:
        old = baseline.load_baseline(request.baseline)
    checked = Checked()
    if request.paths:
        checked = check_files(request.paths, request.rules, since=request.since, tables=tables, exclude=request.exclude)
    if more is not None:
        more(checked)
    findings = checked.findings
    if creates:
        old = Counter(baseline.fingerprint(each) for each in findings if baseline.may_be_known(each))
    findings, met = baseline.split_known(findings, old)
    if request.update_baseline and request.baseline is not None and not request.dry_run:
        replace_file(request.baseline, baseline.baseline_text(met).encode())
    fixed = fix_all(findings, dry_run=request.dry_run) if request.fix else []
    left = findings if request.dry_run else [each for each in findings if each not in fixed]
    return CodeChecked(
        checked.files,
        checked.contents,
        checked.analysed,
        tuple(left),
        known=met.total(),
        gone=old.total() - met.total(),
        fixed=tuple(fixed),
        dry_run=request.dry_run,
        unparsed=tuple(checked.unparsed),
        statements=checked.statements,
    )


def explain_rule(name: str | None = None) -> tuple[Rule, ...]:
    """Return a rule, or all of them. Raises NotFoundError for one that there is not."""
    from nbactl.checks.code.rules import RULES  # noqa: PLC0415
    from nbactl.core._support.names import did_you_mean  # noqa: PLC0415
    from nbactl.errors import NotFoundError  # noqa: PLC0415

    if name is None:
        return tuple(RULES.values())
    if name not in RULES:
        raise NotFoundError(f"there is no rule '{name}'", next_step=did_you_mean(name, RULES))
    return (RULES[name],)
