"""`nbactl check code` and `nbactl bq lint`: every content is parsed once for all rules, and reported with each path."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.cache import CheckCache, decoded
from nbactl.checks.code.changed import touched_lines
from nbactl.checks.code.content import Analysis, Located, analyse, digest_of, hit_of, unreadable
from nbactl.checks.code.files import PYTHON, SCRIPTS, SOURCES, SQL, find_files, is_test, read
from nbactl.checks.code.ignores import apply_ignores
from nbactl.checks.code.ruff import NAMES, find_ruff, ruff_hits, version_of
from nbactl.checks.code.rule import ENGINE_RULES
from nbactl.checks.code.rules import RULES
from nbactl.checks.code.workers import Job, analyse_all
from nbactl.core._support.names import did_you_mean
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from nbactl.checks.code.content import Kind
    from nbactl.checks.code.rule import Edit, Hit, Severity
    from nbactl.checks.sql.tables import Tables

SELECTABLE: Final = tuple(name for name, rule in RULES.items() if name not in ENGINE_RULES and rule.statements is None)
"""The rules of `check code`."""
SQL_SELECTABLE: Final = tuple(name for name, rule in RULES.items() if rule.statements is not None)
"""The rules of `bq lint`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in one file. Lines and columns count from 1."""

    path: Path
    line: int
    column: int
    end_line: int
    rule: str
    severity: Severity
    message: str
    scope: str
    text: str
    """The line, with white space reduced."""
    edit: Edit | None = None
    span: tuple[int, int] = (0, 0)
    table: str = ""


class UnparsedText(NamedTuple):
    """SQL that was not looked at."""

    path: Path
    line: int
    message: str


@dataclass(slots=True)
class Checked:
    """What was looked at, and what was found."""

    files: int = 0
    contents: int = 0
    analysed: int = 0
    """Contents that were not in the cache."""
    findings: list[Finding] = field(default_factory=list)
    unparsed: list[UnparsedText] = field(default_factory=list)
    statements: int = 0
    """Statements of SQL, with every path."""

    @property
    def summary(self) -> dict[str, int]:
        """How many findings each rule has, the most first."""
        return dict(Counter(finding.rule for finding in self.findings).most_common())


def check_files(
    paths: Sequence[Path],
    rules: Collection[str] = (),
    *,
    since: str | None = None,
    processes: int | None = None,
    tables: Tables | None = None,
    exclude: Collection[Path] = (),
) -> Checked:
    """Look at all Python files, shell scripts and YAML files under `paths`.

    With `tables` only SQL is looked at, in files of SQL and in Python, by the rules over SQL. With `rules` only these
    report, with `since` only lines that differ from that revision of Git; `exclude` are files and folders to leave out.
    Raises NotFoundError for a path that is missing or holds nothing to look at, UsageError for an unknown rule, and if
    ruff is missing.
    """
    chosen = _chosen(rules, SELECTABLE if tables is None else SQL_SELECTABLE)
    ruff = find_ruff() if NAMES & chosen else None
    touched = None if since is None else touched_lines(since, _folder(paths[0]))
    checked = Checked()
    jobs: dict[str, Job] = {}
    places: list[tuple[Path, str]] = []
    for path in find_files(paths, PYTHON | SCRIPTS if tables is None else SQL | SOURCES, exclude):
        if touched is not None and path.resolve() not in touched:
            continue
        checked.files += 1
        kind = _kind(path, tables)
        try:
            content = read(path)
        except OSError as error:
            checked.findings += _findings(path, unreadable(error.strerror or str(error)), chosen)
            continue
        digest = digest_of(content, kind)
        jobs.setdefault(digest, Job(digest, kind, path, len(content)))
        places.append((path, digest))
    checked.contents = len(jobs)
    analyses = _analysed(jobs, ruff, processes, checked, tables)
    for path, digest in places:
        found = _findings(path, analyses[digest], chosen)
        if touched is not None:
            ranges = touched[path.resolve()]
            found = [each for each in found if any(_meets(each, lines) for lines in ranges)]
        checked.findings += found
        checked.statements += analyses[digest].statements
        if not is_test(path):
            checked.unparsed += [UnparsedText(path, line, why) for line, why in analyses[digest].unparsed]
    return checked


def check_text(checked: Checked, path: Path, text: str, tables: Tables, rules: Collection[str] = ()) -> None:
    """Add the findings of one text of SQL, which is no file, under a path that names it."""
    checked.files += 1
    checked.contents += 1
    checked.analysed += 1
    analysis = analyse(text.encode(), "sql", tables)
    checked.findings += _findings(path, analysis, _chosen(rules, SQL_SELECTABLE))
    checked.unparsed += [UnparsedText(path, line, why) for line, why in analysis.unparsed]
    checked.statements += analysis.statements


def _kind(path: Path, tables: Tables | None) -> Kind:
    if tables is None:
        return "script" if path.suffix in SCRIPTS else "python"
    return "embedded" if path.suffix in PYTHON else "sql"


def _chosen(rules: Collection[str], selectable: Collection[str]) -> frozenset[str]:
    for name in rules:
        if name not in selectable:
            if name in RULES:
                command = "check code" if name in SELECTABLE else "bq lint"
                raise UsageError(f"'{name}' is not a rule of this command", next_step=f"Run: nbactl {command}.")
            raise UsageError(
                f"there is no rule '{name}'",
                next_step=did_you_mean(name, selectable, otherwise="Run: nbactl check explain."),
            )
    return frozenset(rules or selectable)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _meets(finding: Finding, lines: Collection[int]) -> bool:
    assert isinstance(lines, range)  # noqa: S101
    first, last = finding.span if finding.span[0] else (finding.line, finding.end_line)
    return first < lines.stop and last >= lines.start


def _analysed(
    jobs: Mapping[str, Job], ruff: str | None, processes: int | None, checked: Checked, tables: Tables | None
) -> Mapping[str, Analysis]:
    """Return the analysis of each content, with what ruff finds; from the cache where it is there."""
    ours = CheckCache("code") if tables is None else CheckCache("sql", version("sqlglot"), tables.digest)
    theirs = CheckCache("ruff", "" if ruff is None else version_of(ruff))
    stored = ours.load()
    found = {digest: old for digest in jobs if digest in stored and (old := decoded(stored[digest])) is not None}
    missing = [job for digest, job in jobs.items() if digest not in found]
    checked.analysed = len(missing)
    found |= analyse_all(missing, processes, tables)
    kept = {digest: analysis.encode() for digest, analysis in found.items() if not analysis.passing}
    ours.store(kept, new=bool(missing))
    if ruff is None:
        return found
    from_ruff = _known_hits(theirs.load(), jobs)
    asked = [
        job
        for digest, job in jobs.items()
        if job.kind == "python" and digest not in from_ruff and _parses(found[digest])
    ]
    from_ruff |= ruff_hits(ruff, asked)
    theirs.store(from_ruff, new=bool(asked))
    return {
        digest: analysis._replace(hits=[*analysis.hits, *from_ruff.get(digest, ())])
        for digest, analysis in found.items()
    }


def _known_hits(stored: Mapping[str, object], jobs: Collection[str]) -> dict[str, list[Located]]:
    try:
        return {
            digest: [Located(hit_of(hit), str(text)) for hit, text in stored[digest]]  # type: ignore[attr-defined]
            for digest in jobs
            if digest in stored
        }
    except (TypeError, ValueError):
        return {}


def _parses(analysis: Analysis) -> bool:
    return not any(located.hit.rule == "not-parsed" for located in analysis.hits)


def _findings(path: Path, analysis: Analysis, chosen: Collection[str]) -> list[Finding]:
    """Return what holds for a file of this name: rules that are chosen, without what comments ignore."""
    in_test = is_test(path)

    def holds(rule: str) -> bool:
        return rule in ENGINE_RULES or (rule in chosen and (RULES[rule].in_tests or not in_test))

    texts = {located.hit: located.text for located in analysis.hits}
    hits = [located.hit for located in analysis.hits if holds(located.hit.rule)]
    left: list[Hit] = apply_ignores(hits, analysis.ignores, RULES, holds)
    left.sort(key=lambda hit: (hit.line, hit.column, hit.rule))
    return [
        Finding(
            path,
            hit.line,
            hit.column,
            hit.end_line,
            hit.rule,
            RULES[hit.rule].severity,
            hit.message,
            hit.scope,
            texts.get(hit, ""),
            hit.edit,
            hit.span,
            hit.table,
        )
        for hit in left
    ]
