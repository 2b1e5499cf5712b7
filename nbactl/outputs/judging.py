"""The state of one expected output, from what is recorded of it and what there is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen
from nbactl.outputs.measures import BOX_SCORES, SCHEDULE, YARDSTICKS
from nbactl.outputs.model import OutputState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbactl.outputs.counts import Counts
    from nbactl.outputs.made import Made
    from nbactl.outputs.measures import Facts, Yardstick
    from nbactl.pipeline.rawlist import Held
    from nbactl.pipeline.recipes import Recipe
    from nbactl.pipeline.sources.base import Dataset

_UNPROVEN: Final = "nothing proves that there are none"
_OF_DATASET: Final[Mapping[str, Yardstick]] = {"schedule": SCHEDULE, "player_boxscores": BOX_SCORES}


@frozen
class Evidence:
    """What there is, beside what is recorded: rows by the warehouse, raw files by date, and facts of the date."""

    facts: Facts
    counts: Counts | None
    raw: Mapping[Dataset, Mapping[date, Held]]


@frozen
class Finding:
    """The state of an output as far as it is there, None for `state` if it is not there at all."""

    state: OutputState | None
    reason: str | None = None
    rows: int | None = None
    expected: int | None = None
    unit: str | None = None


def state_of(found: Finding, made: Made, *, overdue: bool, pending: bool) -> tuple[OutputState, str | None]:
    """Return the state of an output, and why: `pending` if something works on it, or on what it needs."""
    if made.status == "failed":
        return OutputState.FAILED, made.reason
    if made.status == "done":
        return found.state or OutputState.MISSING, found.reason
    if found.state is OutputState.COMPLETE or (found.state is OutputState.PARTIAL and made.status == "open"):
        return found.state, found.reason
    if not overdue:
        return OutputState.EXPECTED, made.reason
    why = made.reason or (found.reason if found.state is not OutputState.EMPTY_OK else None)
    return OutputState.LATE if pending else OutputState.MISSING, why or "nothing made it"


def find(recipe: Recipe | None, made: Made, day: date, evidence: Evidence) -> Finding:
    """Return what there is of an output, and whether that is all of it."""
    if recipe is None or (recipe.collects is None and not recipe.writes):
        return _by_record(recipe, made, evidence.facts)
    if recipe.collects is not None:
        return _with_record(_raw_file(recipe.collects, made, day, evidence), made)
    return _with_record(_table(recipe, made, day, evidence), made)


def _by_record(recipe: Recipe | None, made: Made, facts: Facts) -> Finding:
    """Judge what only the record can say something of."""
    if made.status != "done":
        return Finding(None)
    if made.rows == 0 and (recipe is None or not recipe.exports or facts.of(next(iter(recipe.tables))) != 0):
        return Finding(OutputState.MISSING, f"0 rows, and {_UNPROVEN}", 0)
    state = OutputState.EMPTY_OK if made.rows == 0 else OutputState.COMPLETE
    return _with_record(Finding(state, made.reason, made.rows, unit="rows"), made)


def _raw_file(dataset: Dataset, made: Made, day: date, evidence: Evidence) -> Finding:
    files = evidence.raw.get(dataset)
    if files is None:
        return _of_another_machine(made)
    held = files.get(day)
    if held is None:
        return Finding(None, f"there is no raw file of {dataset}")
    yardstick = _OF_DATASET.get(dataset)
    if held.records:
        return _measured(yardstick, held.records, "records", evidence.facts, {"raw:schedule": held.records})
    if yardstick is not None and (found := _root(yardstick, evidence.facts, f"the raw file of {dataset} is empty")):
        return found
    if made.status == "done" or held.given is not None:
        return Finding(OutputState.EMPTY_OK, made.reason or f"the source has no {dataset}", 0, unit="records")
    return Finding(OutputState.MISSING, "nothing proves that the source has none", 0, unit="records")


def _of_another_machine(made: Made) -> Finding:
    """Judge a raw file that cannot be seen from here, by its record."""
    if made.rows or (made.status == "done" and made.run_id is None):
        return Finding(OutputState.COMPLETE, made.reason, made.rows, unit="records")
    if made.status == "done":
        return Finding(OutputState.MISSING, made.reason or f"0 records, and {_UNPROVEN}", made.rows, unit="records")
    return Finding(None, made.reason, made.rows, unit="records")


def _table(recipe: Recipe, made: Made, day: date, evidence: Evidence) -> Finding:
    table, counts = recipe.writes[0], evidence.counts
    yardstick = YARDSTICKS.get(table)
    if counts is None:
        rows = made.rows
        if made.status != "done" or rows is None:
            return Finding(None)
    else:
        rows = counts.of(table, day + timedelta(days=recipe.writes_at))
    if rows:
        return _measured(yardstick, rows, "rows", evidence.facts, {})
    if yardstick is not None:
        found = _root(yardstick, evidence.facts, "no row")
        if found is not None:
            return found
        return Finding(OutputState.EMPTY_OK, made.reason or f"the date has no {yardstick.root}", 0, unit="rows")
    return _unlike_raw(recipe.raw, made, day, evidence)


def _unlike_raw(datasets: Sequence[Dataset], made: Made, day: date, evidence: Evidence) -> Finding:
    """Judge a table without rows that is made of raw files alone: it may be empty where they are (incident 13)."""
    named = [dataset for dataset in datasets if dataset != "schedule"]
    held = [evidence.raw.get(dataset, {}).get(day) for dataset in named]
    if not held or held[0] is None:
        return Finding(OutputState.MISSING, f"0 rows, and {_UNPROVEN}", 0, unit="rows")
    records = sum(file.records for file in held if file is not None)
    detail = made.record.detail if made.record is not None else {}
    if records and (detail.get("records") != records or detail.get("quarantined")):
        return Finding(OutputState.MISSING, f"the raw file has {records} records, the table no row", 0, unit="rows")
    return Finding(OutputState.EMPTY_OK, made.reason or "the source has none", 0, unit="rows")


def _root(yardstick: Yardstick, facts: Facts, what: str) -> Finding | None:
    """Return that rows are missing, unless it is known that what they are made of is not there either."""
    root = facts.of(yardstick.root)
    if root == 0:
        return None
    wanted = facts.of(yardstick.measures[0].wanted) if yardstick.measures else None
    unit = yardstick.measures[0].unit if yardstick.measures else "rows"
    why = f"the date has {root} {yardstick.root}" if root else "nothing proves that there is none"
    return Finding(OutputState.MISSING, f"{what}: {why}", 0, wanted or None, unit)


def _measured(
    yardstick: Yardstick | None, rows: int, unit: str, facts: Facts, own: Mapping[str, int]
) -> Finding:  # fmt: skip
    shown = Finding(OutputState.COMPLETE, None, rows, None, unit)
    for number, measure in enumerate(yardstick.measures if yardstick is not None else ()):
        there, wanted = own.get(measure.there, facts.of(measure.there)), facts.of(measure.wanted)
        if there is None or not wanted:
            continue
        if there < wanted:
            reason = f"{there} of {wanted} {measure.unit}"
            return Finding(OutputState.PARTIAL, reason, there, wanted, measure.unit)
        if number == 0:
            shown = Finding(OutputState.COMPLETE, None, there, wanted, measure.unit)
    return shown


def _with_record(found: Finding, made: Made) -> Finding:
    """Return the finding with what is known of the work: what it wrote, and whether it is made of the latest data."""
    judged, record = made.judgement, made.record
    if record is None or found.state not in (OutputState.COMPLETE, OutputState.EMPTY_OK):
        return found
    if judged is not None and judged.why == "gone":
        return Finding(OutputState.MISSING, judged.text, 0, found.expected, found.unit)
    if found.unit == "rows" and found.rows is not None and record.rows is not None and found.rows < record.rows:
        reason = f"{found.rows} of the {record.rows} rows that {made.run_id} wrote"
        return Finding(OutputState.PARTIAL, reason, found.rows, record.rows, "rows")
    if judged is not None and judged.state == "incomplete":
        return Finding(OutputState.PARTIAL, judged.text, found.rows, found.expected, found.unit)
    if judged is not None and judged.state == "stale":
        return Finding(OutputState.STALE, judged.text, found.rows, found.expected, found.unit)
    return found
