"""The stages of a plan and of its undo: each is a function of the table that returns the next stage and the job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.warehouse.apply import in_place, rebuild, rewrite, undo
from nbactl.warehouse.apply.job import APPLIED, UNDONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.warehouse.apply.job import Job
    from nbactl.warehouse.apply.work import TableWork

UNDO_FIRST: Final = "undo"
_UNDO_COPY: Final = "undo_copy"
_UNDO_SWAP: Final = "undo_swap"


def _create(table: TableWork) -> tuple[str, Job]:
    in_place.create(table)
    return APPLIED, table.job


def _snapshot(table: TableWork) -> tuple[str, Job]:
    return "in_place", replace(table.job, kept_until=in_place.keep_snapshot(table))


def _in_place(table: TableWork) -> tuple[str, Job]:
    in_place.change_in_place(table, table.job.declared, table.job.made)
    return "rewrite" if table.job.how == "rewrite" else APPLIED, table.job


def _rewrite(table: TableWork) -> tuple[str, Job]:
    rewrite.rewrite_rows(table)
    return APPLIED, table.job


def _copy(table: TableWork) -> tuple[str, Job]:
    return "swap", replace(table.job, compared=rebuild.fill_new_table(table))


def _swap(table: TableWork) -> tuple[str, Job]:
    return APPLIED, replace(table.job, kept_until=rebuild.take_name(table))


def _undo(table: TableWork) -> tuple[str, Job]:
    if table.job.before is not None and undo.by_swap(table):
        return UNDONE if undo.bring_back(table) else _UNDO_COPY, table.job
    undo.undo_without_swap(table)
    return UNDONE, table.job


def _undo_copy(table: TableWork) -> tuple[str, Job]:
    return _UNDO_SWAP, replace(table.job, compared=undo.replay(table))


def _undo_swap(table: TableWork) -> tuple[str, Job]:
    undo.swap_back(table)
    return UNDONE, table.job


FIRST_STAGES: Final = {"create": "create", "in_place": "snapshot", "rewrite": "snapshot", "rebuild": "copy"}
APPLY_STAGES: Final[dict[str, Callable[[TableWork], tuple[str, Job]]]] = {
    "create": _create,
    "snapshot": _snapshot,
    "in_place": _in_place,
    "rewrite": _rewrite,
    "copy": _copy,
    "swap": _swap,
}
UNDO_STAGES: Final[dict[str, Callable[[TableWork], tuple[str, Job]]]] = {
    UNDO_FIRST: _undo,
    _UNDO_COPY: _undo_copy,
    _UNDO_SWAP: _undo_swap,
}
