"""Quotas as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import CheckFailedError, NbactlError, PartialRunError
from nbactl.warehouse.costs.quota_alerts import words
from nbactl.warehouse.costs.quotas import NO_TABLE, load_quotas

if TYPE_CHECKING:
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.costs.quotas import QuotaReport, QuotaUse

_SHOWN: Final = 20
_STYLES: Final = {"ok": "", "warn": "yellow", "exceeded": "bold red"}


def quotas_view(report: QuotaReport) -> View:
    """Show the limits that tables are nearest to; exits 1 above a limit, 3 near one."""

    def show(console: Console) -> None:
        shown = report.uses if console.out.wide else report.uses[: max(_SHOWN, len(report.near))]
        if shown:
            console.table(
                ["table", "limit of", "used", "of", "share", "state"],
                [
                    [
                        use.table, words(use.name), f"{use.used:,}", f"{use.limit:,}", f"{use.percent:.0f} %",
                        Styled(use.state, _STYLES[use.state]),
                    ]
                    for use in shown
                ],
                optional=["of"],
            )  # fmt: skip
        else:
            console.note("No table was written to in the last 24 hours.")
        console.showing(len(shown), len(report.uses), "limits", more="Use -o wide.")
        for table, count in sorted(report.refused.items()):
            console.note(Styled(f"{table}: {count:,} job{'' if count == 1 else 's'} refused at a limit.", "red"))
        console.note(Styled(f"Jobs of the last 24 hours; limits of {report.as_of}.", "dim"))

    data: dict[str, Any] = {
        "since": report.since,
        "until": report.until,
        "limits_as_of": report.as_of,
        "quotas": [_quota(use) for use in report.uses],
        "refused": [{"table": table, "jobs": count} for table, count in sorted(report.refused.items())],
        "summary": {state: sum(use.state == state for use in report.uses) for state in ("ok", "warn", "exceeded")},
    }
    error = _error(report)
    return View(data, show, items="quotas", exit_code=error.exit_code if error else 0, error=error, paged=True)


def _quota(use: QuotaUse) -> dict[str, Any]:
    return {
        "table": use.table,
        "name": use.name,
        "used": use.used,
        "limit": use.limit,
        "percent": round(use.percent, 1),
        "state": use.state,
        "counts": load_quotas().limits[use.name].counts,
        "source": load_quotas().limits[use.name].source,
    }


def _error(report: QuotaReport) -> NbactlError | None:
    if not report.near and not report.refused:
        return None
    counted = dict.fromkeys(f"{words(use.name)} are {load_quotas().limits[use.name].counts}" for use in report.near)
    cause = f"{'; '.join(counted)}." if counted else "Jobs of the last 24 hours were refused."
    exceeded = sorted({use.table for use in report.near if use.state == "exceeded"} | report.refused.keys())
    advice = "Write fewer and larger batches."
    if exceeded == [NO_TABLE] and not counted:
        advice = "See the errors of the jobs: the limit is one of the project or of the account."
    if exceeded:
        return CheckFailedError(f"at a limit of BigQuery: {', '.join(exceeded)}", cause=cause, next_step=advice)
    near = sorted({use.table for use in report.near})
    return PartialRunError(f"near a limit of BigQuery: {', '.join(near)}", cause=cause, next_step=advice)
