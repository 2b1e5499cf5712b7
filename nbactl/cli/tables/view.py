"""Tables as JSON, as CSV and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.query.command import size
from nbactl.cli.query.view import columns, rows_of
from nbactl.cli.show.cells import json_rows
from nbactl.cli.show.grid import show_rows
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.cli.tables.command import ListedTable, RowCounts, TableDetails, TableList

_GAP = 2


def table_list(found: TableList) -> View:
    """Show the tables that are there, and name those that are missing."""
    heading = ["table", "rows", "bytes", "newest", "last change"]

    def show(console: Console) -> None:
        rows: list[list[Segment | None]] = [
            [
                listed.info.schema.name,
                f"{listed.info.rows:,}",
                None if listed.info.bytes is None else size(listed.info.bytes),
                str(listed.newest) if listed.newest else None,
                moment(listed.info.modified) if listed.info.modified else None,
            ]
            for listed in found.tables
        ]
        sized = any(listed.info.bytes is not None for listed in found.tables)
        kept = heading if sized else [name for name in heading if name != "bytes"]
        shown = [row if sized else [*row[:2], *row[3:]] for row in rows]
        if shown:
            console.table(kept, shown, optional=["last change", "bytes"])
        _note_missing(console, found.missing)

    return View(
        {"tables": [_listed(one) for one in found.tables], "missing": list(found.missing)},
        show,
        items="tables",
        csv=[
            ["table", "rows", "bytes", "newest_partition", "modified"],
            *(
                [item.info.schema.name, item.info.rows, item.info.bytes, item.newest, item.info.modified]
                for item in found.tables
            ),
        ],
        paged=True,
    )


def table_details(found: TableDetails, *, for_person: bool) -> View:
    """Show the schema of a table and rows of one of its dates."""
    schema, rows = found.info.schema, found.rows
    data = {
        "table": schema.name,
        "description": schema.description,
        "partition_by": schema.partition_by,
        "cluster_by": list(schema.cluster_by),
        "row_count": found.info.rows,
        "bytes": found.info.bytes,
        "modified": found.info.modified,
        "schema": [
            {"name": column.name, "type": column.type, "required": column.required, "description": column.description}
            for column in schema.columns
        ],
        "date": found.date,
        "columns": columns(rows.columns, rows.types),
        "rows": json_rows(rows.columns, rows.types, rows.rows),
        "truncated": rows.truncated,
    }

    def show(console: Console) -> None:
        console.print(Styled(schema.name, "bold"), f"  {schema.description}" if schema.description else "")
        for name, value in _facts(found):
            console.print(Styled(f"{name:<16}", "dim"), value)
        console.print()
        described = [
            [column.name, column.type, "required" if column.required else "", column.description]
            for column in schema.columns
        ]
        console.table(["column", "type", "mode", "description"], described, optional=["description", "mode"])
        console.print()
        if rows.rows:
            show_rows(console, rows.columns, rows.types, rows.rows)
        console.note(Styled(_rows_shown(found), "dim"))

    more = (_rows_shown(found),) if rows.truncated and not for_person else ()
    return View(data, show, items="rows", notes=more, csv=[rows.columns, *rows.rows], paged=True)


def row_counts(found: RowCounts) -> View:
    """Show a grid of tables and dates, in as many blocks as the terminal needs."""
    days = [game_date.day for game_date in found.first.until(found.last)]
    listed = [
        {"table": name, "date": day, "rows": count}
        for name, by_day in found.counts.items()
        for day, count in by_day.items()
    ]

    def show(console: Console) -> None:
        for number, block in enumerate(_blocks(console, found, days)):
            if number:
                console.print()
            rows = [[name, *(_count(by_day[day]) for day in block)] for name, by_day in found.counts.items()]
            console.table(["table", *(_short(day) for day in block)], rows)
        console.note(Styled(f"Rows from {found.first} to {found.last}; 0 where a date has none.", "dim"))
        _note_missing(console, found.missing)

    return View(
        {"from": str(found.first), "to": str(found.last), "counts": listed, "missing": list(found.missing)},
        show,
        items="counts",
        csv=[["table", "date", "rows"], *([one["table"], one["date"], one["rows"]] for one in listed)],
        paged=True,
    )


def _blocks(console: Console, found: RowCounts, days: Sequence[date]) -> list[Sequence[date]]:
    widest = max((len(f"{count:,}") for by_day in found.counts.values() for count in by_day.values()), default=1)
    each = max(widest, len(_short(days[0]))) + _GAP
    room = len(days) * each if console.out.wide else console.out.width - max(map(len, found.counts))
    fitting = max(1, room // each)
    return [days[begin : begin + fitting] for begin in range(0, len(days), fitting)]


def _count(rows: int) -> Segment:
    return f"{rows:,}" if rows else Styled("0", "dim")


def _short(day: date) -> str:
    return day.strftime("%m-%d")


def _listed(one: ListedTable) -> dict[str, Any]:
    schema = one.info.schema
    return {
        "table": schema.name,
        "rows": one.info.rows,
        "bytes": one.info.bytes,
        "modified": one.info.modified,
        "newest_partition": one.newest,
        "partition_by": schema.partition_by,
        "declared": one.declared,
    }


def _facts(found: TableDetails) -> list[tuple[str, str]]:
    info = found.info
    facts = {
        "rows": f"{info.rows:,}",
        "bytes": None if info.bytes is None else size(info.bytes),
        "last change": moment(info.modified) if info.modified else None,
        "partitioned by": info.schema.partition_by,
        "clustered by": ", ".join(info.schema.cluster_by) or None,
    }
    return [(name, value) for name, value in facts.items() if value]


def _rows_shown(found: TableDetails) -> str:
    shown = f"{rows_of(len(found.rows.rows))} of {found.date}" if found.date else rows_of(len(found.rows.rows))
    return f"The first {shown}; there are more. --limit N shows more." if found.rows.truncated else f"{shown}."


def _note_missing(console: Console, missing: Sequence[str]) -> None:
    if missing:
        verb = "table does" if len(missing) == 1 else "tables do"
        console.note(Styled(f"{len(missing)} declared {verb} not exist yet: {', '.join(missing)}", "dim"))
