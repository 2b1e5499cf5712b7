"""Subscriptions as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.checks.subscriptions import is_loopback
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.cli.subscriptions.command import SubscriptionList
    from nbactl.ports.bus import FoundSubscription, PushTarget

_UNKNOWN: Final = Styled("unknown", "dim")
_NONE: Final = Styled("none", "red")
_COLUMNS: Final = (
    *(
        "subscription",
        "topic",
        "backlog",
        "oldest",
        "retry",
        "dead letters",
        "attempts",
        "deadline",
        "push",
        "identity",
    ),
)
_OPTIONAL: Final = ("deadline", "attempts", "topic", "identity", "push", "dead letters", "retry", "oldest")
_MARKS: Final = {"warn": ("!", "!", "bold yellow"), "failed": ("✗", "x", "bold red")}


def subscription_list(found: SubscriptionList) -> View:
    """Show subscriptions and their problems, with exit code 1 if one needs a repair."""

    def show(console: Console) -> None:
        if found.found:
            rows = [tuple(_row(found, one)) for one in found.found]
            console.table(_COLUMNS, rows, optional=_OPTIONAL)
        else:
            console.note("No subscription. `nbactl up` creates those of this machine.")
        for finding in found.findings:
            unicode, plain, style = _MARKS[finding.status]
            mark, name = Styled(console.out.glyph(unicode, plain), style), finding.subscription
            console.out.print_hanging(
                mark, " ", text=f"{name}: {finding.message}" if name else finding.message, indent=2
            )
            console.out.print_hanging("  ", Styled("cause: ", "dim"), text=finding.cause, indent=9)
            if finding.fix:
                console.out.print_hanging("  ", Styled("fix:   ", "cyan"), text=finding.fix, indent=9)
        if found.found and found.lag and found.unmeasured is None:
            console.note(Styled(f"What waits was measured up to {format_duration(found.lag)} ago.", "dim"))

    error, unmeasured = None, found.unmeasured
    if found.failed:
        count = len(found.failed)
        text = f"{count} problem{'s' if count != 1 else ''} with subscriptions"
        error = CheckFailedError(text, next_step=found.failed[0].fix)
    return View(
        {
            "subscriptions": [_json(found, one) for one in found.found],
            "findings": [asdict(finding) for finding in found.findings],
            "measured_up_to_s_ago": found.lag,
        },
        show,
        items="subscriptions",
        exit_code=0 if error is None else 1,
        error=error,
        warnings=() if unmeasured is None else (f"what waits is not known: {unmeasured.message}. {unmeasured.cause}",),
    )


def _row(found: SubscriptionList, one: FoundSubscription) -> Iterator[Segment]:
    backlog, letters = found.backlog(one.name), found.dead_letters.get(one.dead_letter_topic or "")
    yield one.name
    yield one.topic
    yield _UNKNOWN if backlog.undelivered is None else f"{backlog.undelivered:,}"
    if backlog.undelivered == 0:
        yield ""
    else:
        yield _UNKNOWN if backlog.oldest_age is None else format_duration(backlog.oldest_age)
    yield _NONE if one.backoff is None else "-".join(map(format_duration, one.backoff))
    if one.dead_letter_topic is None:
        yield _NONE if one.push is not None else ""
    else:
        yield _UNKNOWN if letters is None else f"{letters:,}"
    yield "" if one.most_attempts is None else str(one.most_attempts)
    yield format_duration(one.ack_deadline)
    yield "" if one.push is None else one.push.endpoint
    yield "" if one.push is None else _identity(one.push)


def _identity(push: PushTarget) -> Segment:
    if push.account is None:
        return "" if is_loopback(push.endpoint) else _NONE
    return push.account if push.audience is None else f"{push.account} for {push.audience}"


def _json(found: SubscriptionList, one: FoundSubscription) -> dict[str, Any]:
    backlog, push = found.backlog(one.name), one.push
    return {
        "name": one.name,
        "topic": one.topic,
        "backlog": backlog.undelivered,
        "oldest_unacknowledged_s": backlog.oldest_age,
        "retry_policy": None if one.backoff is None else {"least_s": one.backoff[0], "most_s": one.backoff[1]},
        "dead_letter_topic": one.dead_letter_topic,
        "dead_letters": found.dead_letters.get(one.dead_letter_topic or ""),
        "most_attempts": one.most_attempts,
        "ack_deadline_s": one.ack_deadline,
        "ordered": one.ordered,
        "push": None if push is None else {**asdict(push), "service": found.services.get(one.name)},
        "expires_after_s": one.expires_after,
        "state": one.problem or "ACTIVE",
        "findings": [finding.rule for finding in found.findings if finding.subscription == one.name],
    }
