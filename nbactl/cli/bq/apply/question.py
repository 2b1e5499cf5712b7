"""What `nbactl bq apply` asks before it changes tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nbactl.warehouse.apply.plan_file import PlannedTable

_WAYS: Final = {
    "resumed": "resumed",
    "create": "created",
    "in_place": "changed in place",
    "rewrite": "changed in place, and old data are rewritten",
    "rebuild": "rebuilt",
}
_NAMED: Final = 5
"""Tables that a line of a question names."""


def question(todo: Sequence[PlannedTable], begun: Sequence[str], resumed: Collection[str]) -> Question:
    """Name every table, a line for each way; what is lost is named once for all tables that lose it."""
    ways: dict[str, list[str]] = {"resumed": list(begun)}
    lost: dict[str, list[str]] = {}
    for one in todo:
        ways.setdefault("resumed" if one.name in resumed else _way(one), []).append(one.name)
        for what in dict.fromkeys(lost for change in one.made for lost in change.lost):
            lost.setdefault(what, []).append(one.name)
    lines = [f"{few(names)} {_is(names)} {_WAYS[way]}." for way, names in ways.items() if names]
    lines += [f"  {few(names)} {'loses' if len(names) == 1 else 'lose'} {what}." for what, names in lost.items()]
    count = len(todo) + len(begun)
    return Question(f"Apply the plan to {count} table{'s' if count > 1 else ''}?", tuple(lines), always=bool(lost))


def _way(planned: PlannedTable) -> str:
    ways = {change.how for change in planned.made}
    if planned.before is None:
        return "create"
    return next(way for way in ("rebuild", "rewrite", "in_place") if way in ways)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def few(names: Sequence[str]) -> str:
    """Return the first names of tables, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more:,} more"
