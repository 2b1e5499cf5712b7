"""Load tests as JSON and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.checks.load.batch_plan import PlannedMessage
    from nbactl.checks.load.report import Percentiles
    from nbactl.cli.load.batch import BatchLoadResult
    from nbactl.cli.load.command import BatchLoad, UrlLoad, UrlLoadResult
    from nbactl.cli.show.console import Console

_SHOWN: Final = 20


def url_plan(request: UrlLoad) -> View:
    """Show what would be sent to an address."""
    number = round(request.rate * request.duration)
    message = f"Would send about {number:,} {request.method} requests to {request.url} in {request.duration:g}s."
    return View({"mode": "url", "requests": number, **asdict(request)}, lambda console: console.note(message))


def batch_plan(request: BatchLoad, plan: Sequence[PlannedMessage]) -> View:
    """Show what would be sent to `nbactl up`."""
    kinds: dict[str, int] = dict(Counter(one.kind for one in plan))
    message = f"Would publish {len(plan):,} messages in {request.duration:g}s: {_kinds(kinds)}; seed {request.seed}."
    return View({"mode": "batch", "sent": kinds, **asdict(request)}, lambda console: console.note(message))


def url_load(result: UrlLoadResult) -> View:
    """Show what became of the requests to an address."""
    request, report = result.request, result.report
    facts = {
        "requests": f"{report.intended:,} to {request.url} in {report.duration:.1f}s",
        "answers": _counted(report.statuses) or "none",
        "no answer": _counted(report.errors) or "none",
        "overflow": f"{report.overflow:,} (limit: {request.most_open:,} open)",
        "throughput": f"{report.throughput:.1f} answers/s",
        "generator lag": f"at most {_seconds(report.lag)}",
        "seed": str(request.seed),
    }
    data = {
        "mode": "url",
        "load_id": result.load_id,
        **asdict(request),
        "requests": report.intended,
        "statuses": dict(report.statuses),
        "errors": dict(report.errors),
        "overflow": report.overflow,
        "duration_s": report.duration,
        "throughput": report.throughput,
        "latency_s": asdict(report.latency),
        "lag_s": report.lag,
    }
    return _view(data, facts, report.latency, "answer", result.problems)


def batch_load(result: BatchLoadResult) -> View:
    """Show what became of the players of a batch."""
    report, request = result.report, result.request
    batch = report.result
    killed = Counter(kill.service for kill in result.kills)
    poison = report.sent.get("poison", 0)
    facts = {
        "batch": f"{result.batch_id} ({result.load_id}, seed {request.seed})",
        "messages": _kinds(report.sent),
        "players": f"{batch.done:,} of {batch.expected:,} done, {len(batch.failed)} failed",
        "lost": f"{len(batch.lost):,}",
        "done twice": str(batch.twice),
        "merged": f"{batch.merged_rows:,} rows of {batch.merged_players:,} players",
        "phase 6": "started once" if batch.triggers == 1 else f"started {batch.triggers} times",
        "poison": f"{report.poisoned} of {poison} in the dead letter" if poison else None,
        "restarts": f"{report.restarts}; killed: {_counted(killed) or 'none'}",
        "throughput": f"{report.throughput:.1f} players/s over {report.duration:.1f}s",
    }
    data = {
        "mode": "batch",
        "load_id": result.load_id,
        "batch_id": result.batch_id,
        "game_date": str(result.game_date),
        "players": request.players,
        "seed": request.seed,
        "sent": dict(report.sent),
        "unsent": report.unsent,
        "done": batch.done,
        "failed": list(batch.failed),
        "lost": len(batch.lost),
        "lost_players": list(batch.lost[:_SHOWN]),
        "done_twice": batch.twice,
        "is_complete": batch.is_complete,
        "merged_players": batch.merged_players,
        "merged_rows": batch.merged_rows,
        "phase6_triggers": batch.triggers,
        "poisoned": report.poisoned,
        "restarts": report.restarts,
        "kills": [asdict(kill) for kill in result.kills],
        "duration_s": report.duration,
        "throughput": report.throughput,
        "latency_s": asdict(report.latency),
        "measured_to": batch.measured_to,
    }
    return _view(data, facts, report.latency, batch.measured_to, report.problems)


def _view(
    data: dict[str, Any], facts: Mapping[str, str | None], latency: Percentiles, measured_to: str, problems: list[str]
) -> View:
    def show(console: Console) -> None:
        for name, value in facts.items():
            if value is not None:
                console.print(Styled(f"{name:<14}", "dim"), value)
        columns = list(asdict(latency))
        console.table(
            ["latency", *columns], [[f"to {measured_to}", *(_seconds(value) for value in asdict(latency).values())]]
        )

    error = NbactlError("; ".join(problems)) if problems else None
    return View({**data, "problems": problems}, show, exit_code=1 if problems else 0, error=error)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


def _kinds(sent: Mapping[str, int]) -> str:
    plural = {"request": "requests", "duplicate": "duplicates"}
    return _counted({plural.get(kind, kind): number for kind, number in sent.items()})


def _seconds(value: float | None) -> str:
    if value is None:
        return "no answer"
    return f"{value * 1000:.1f}ms" if value < 1 else f"{value:.2f}s"
