"""Plans of runs as tables for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.run.text import is_range
from nbactl.cli.show.states import look
from nbactl.cli.show.text import Styled, text_of
from nbactl.core._support.durations import format_duration
from nbactl.workflows.graph import level_of_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row, Segment
    from nbactl.workflows.model import PlannedTask, RunPlan


def show_plan(console: Console, plans: Sequence[RunPlan]) -> None:
    """Show what would be done: for each run its tasks by level; those of one level can run at the same time.

    Of a range, dates of one phase that have the same plan are shown once.
    """
    shown: dict[tuple[object, ...], tuple[RunPlan, list[Row], int]] = {}
    folded = is_range(plans)
    for number, plan in enumerate(plans):
        summary, rows = _plan_summary(plan), _plan_rows(plan)
        texts = tuple(text_of(cell) for row in rows for cell in row)
        key = (plan.name, summary, texts) if folded else (number,)
        first, _, count = shown.get(key, (plan, rows, 0))
        shown[key] = (first, rows, count + 1)
    for index, (plan, rows, count) in enumerate(shown.values()):
        if index:
            console.print()
        more = f" and {count - 1:,} more dates" if count > 1 else ""
        title = Styled(f"{plan.name} {plan.game_date}{more}", "bold")
        console.print(title, Styled(f"  {_plan_summary(plan)}", "dim"))
        if not plan.skip_reason:
            columns = ["level", "task", "required", "timeout", "tries", "action", "after"]
            console.table(columns, rows, optional=["tries", "timeout", "required", "level"])


def _plan_summary(plan: RunPlan) -> str:
    if plan.skip_reason:
        return f"nothing to do: {plan.skip_reason}"
    how = plan.mode if plan.mode == "sequential" else f"parallel, at most {plan.max_workers} at once"
    parts = [how, *([f"within {format_duration(plan.deadline)}"] if plan.deadline else [])]
    parts += [f"resumes {plan.resumed_from}"] if plan.resumed_from else []
    parts += [f"if {plan.depends_on} changes what it reads"] if plan.depends_on else []
    return ", ".join(parts)


def _plan_rows(plan: RunPlan) -> list[Row]:
    levels = level_of_tasks(plan.tasks)
    return [
        [
            str(levels[task.name] + 1),
            task.name,
            "yes" if task.required else "no",
            format_duration(task.timeout),
            str(task.retry.attempts),
            _action(task),
            ", ".join(task.needs),
        ]
        for task in sorted(plan.tasks, key=lambda task: levels[task.name])
    ]


def _action(task: PlannedTask) -> Segment:
    if task.excluded:
        return Styled(task.excluded, "dim")
    if task.carried is not None:
        kept = f"keep: {look(task.carried.status.value).word} before"
        return Styled(f"{kept}, unless its input changes" if task.recheck else kept, "dim")
    return Styled(f"run: {task.reason}" if task.reason else "run", "green")
