"""The audit trail of the command line: every command that changes something leaves an entry, and names its undo.

An entry begins when the operator has consented, which is just before the change, and ends when the command returns.
Reads and dry runs leave nothing, and neither does a command that finds nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.ask import Question
    from nbactl.cli.session import Session
    from nbactl.cli.show.render import View
    from nbactl.core.audit.entry import AuditOutcome
    from nbactl.core.audit.trail import AuditTrail

NOT_AUDITED: Final = {
    "bq.lint": "It changes files of the operator, which their version control keeps.",
    "check.code": "It changes files of the operator, which their version control keeps.",
    "config.init": "It writes files that are not in force yet.",
    "heal": "Each repair has an entry of its own, `heal.KIND`.",
    "query": "It reads.",
    "run": "The ledger has every run, with its process.",
    "schedule.tick": "Cron calls it; a step of a rollout it enters by itself, and runs are in the ledger.",
}
"""The commands with --dry-run that leave no entry, and why."""


class AuditedCall:
    """The entry of one call of the command line."""

    def __init__(self, session: Session, reason: str | None) -> None:
        self._session = session
        self._reason = reason
        self._entry: tuple[AuditTrail, str] | None = None

    def begin(self, question: Question) -> None:
        """Keep what is about to be done; a second question belongs to the same entry."""
        if self._entry is not None:
            return
        from nbactl.bootstrap.audit import make_audit  # noqa: PLC0415 - few commands change something
        from nbactl.cli.ask import operator  # noqa: PLC0415 - it imports the commands' frame
        from nbactl.core.audit.entry import Change  # noqa: PLC0415
        from nbactl.core.audit.trail import first_of  # noqa: PLC0415

        trail = make_audit(self._session.container)
        touches = first_of((question.text.removesuffix("?"), *question.lines))
        arguments = without_secrets(self._session.argv)
        change = Change(self._session.command, touches, self._reason, arguments=arguments)
        self._entry = trail, trail.begin(change, operator())

    def end(self, result: View) -> None:
        """Keep how it ended, by the result."""
        if self._entry is None:
            return
        from nbactl.cli.ask import command_line  # noqa: PLC0415 - as above
        from nbactl.core.audit.trail import described  # noqa: PLC0415

        trail, entry = self._entry
        outcome: AuditOutcome = "done"
        if result.error is not None:
            outcome = "cancelled" if result.error.code == "interrupted" else "failed"
        undo = " && ".join(command_line(self._session.settings, *words) for words in result.undo)
        error = None if result.error is None else described(result.error)
        touches = () if result.touched is None else (result.touched,)
        trail.finish(entry, outcome, undo=undo or None, error=error, touches=touches)

    def failed(self, error: BaseException) -> None:
        """Keep that it did not end."""
        if self._entry is None:
            return
        from nbactl.cli.ask import command_line  # noqa: PLC0415 - as above
        from nbactl.core.audit.trail import described  # noqa: PLC0415

        trail, entry = self._entry
        trail.finish(entry, "failed" if isinstance(error, Exception) else "cancelled", error=described(error))
        if not isinstance(error, Exception):
            shown = command_line(self._session.settings, "audit", "show", entry)
            error.add_note(f"Part of it may be done. Run the same command again for the rest; its entry: {shown}")


def without_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command line without the values of options that are named like a secret."""
    from nbactl.core.observe.masking import MASK, is_secret_name  # noqa: PLC0415 - few commands change something

    found: list[str] = []
    for word in words:
        secret = bool(found) and found[-1].startswith("--") and "=" not in found[-1] and is_secret_name(found[-1])
        found.append(MASK if secret else word)
    return tuple(found)
