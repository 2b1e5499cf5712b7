"""What the local warehouse answers, entry by entry, and the part of docs/warehouse.md that lists it.

`python -m tests.kit.sql_proofs` writes the list into the page; a test holds that it is there.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from nbactl.adapters.duckdb.sql.functions import AGGREGATES, FUNCTIONS
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = ROOT / "tests" / "conformance" / "sql"
PAGE: Final = ROOT / "docs" / "warehouse.md"
_BEGIN, _END = "<!-- the list: written by make docs -->", "<!-- the end of the list -->"
_NOT_FUNCTIONS: Final = ("operators", "clauses")
ROOMS: Final = {
    "clauses": "Clauses",
    "operators": "Operators, casts and literals",
    "strings": "Texts",
    "numbers": "Numbers",
    "dates": "Dates and times",
    "formats": "Formats",
    "conditionals": "Conditions",
    "arrays": "Arrays",
    "json": "JSON",
    "aggregates": "Aggregate and window functions",
}
_TYPED: Final[dict[str, Any]] = {
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
    "timestamp": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "numeric": Decimal,
    "float": float,
    "bytes": bytes.fromhex,
    "struct": lambda fields: {name: typed(value) for name, value in fields.items()},
}


class Proof(NamedTuple):
    """A query and the rows that BigQuery's documentation gives; None if it refuses the query."""

    room: str
    entry: str
    see: str
    sql: str
    want: list[list[Any]] | None
    columns: list[str] | None


@cache
def proofs() -> tuple[Proof, ...]:
    """Return all proofs."""
    return tuple(_read())


def _read() -> Iterator[Proof]:
    for room in ROOMS:
        entries = yaml.load((FOLDER / f"{room}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for entry, group in entries.items():
            for proof in group["proofs"]:
                want = None if proof.get("error") else [[typed(value) for value in row] for row in proof["want"]]
                yield Proof(room, entry, group["see"], proof["sql"], want, proof.get("columns"))


def typed(value: Any) -> Any:
    """Return a value of a proof: {date: …} and its like are what they say."""
    if isinstance(value, list):
        return [typed(part) for part in value]
    if isinstance(value, dict) and len(value) == 1 and (kind := next(iter(value))) in _TYPED:
        return _TYPED[kind](value[kind])
    return value


def functions() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the listed functions: the section that defines each, and its forms."""
    listed: Mapping[str, tuple[str, tuple[str, ...]]] = {
        **{name: (one.section, one.forms) for name, one in FUNCTIONS.items()},
        **{name: (one.section, (one.form,)) for name, one in AGGREGATES.items()},
    }
    return {**listed, "EXTRACT": ("date_functions#extract", ("part FROM value [AT TIME ZONE zone] -> INT64",))}


def described() -> str:
    """Return the list as it is in the page."""
    known = functions()
    lines: list[str] = []
    for room, title in ROOMS.items():
        lines += [f"### {title}", "", "| entry | form | BigQuery's page |", "|---|---|---|"]
        for entry, see in sorted({(proof.entry, proof.see) for proof in proofs() if proof.room == room}):
            forms = known[entry][1] if room not in _NOT_FUNCTIONS else ()
            written = "<br>".join(form.replace("|", "\\|") for form in forms)
            lines.append(f"| {entry if room in _NOT_FUNCTIONS else f'`{entry}`'} | {written} | {see} |")
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    """Return docs/warehouse.md with the list as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    block = f"{_BEGIN}\n\n{described()}\n{_END}"
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: block, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
