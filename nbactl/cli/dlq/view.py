"""Dead letters as JSON and as text."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.dlq.command import count
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.controls import visible
from nbactl.core._support.durations import format_duration
from nbactl.core.observe.masking import mask_within
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.cli.dlq.command import LetterDetails, LetterList, LettersChanged
    from nbactl.cli.show.console import Console
    from nbactl.core.dead_letters.documents import DeadLetter

_NAMED: Final = 5
_LABEL: Final = len("dead letter topic") + 2
_DONE: Final = {"replay": "Replayed", "archive": "Archived", "reopen": "Reopened"}
_FIELDS: Final = (
    *("id", "message_id", "state", "topic", "subscription", "dead_letter_topic", "attempts", "reason", "permanent"),
    *("replays", "size", "published_at", "saved_at"),
)


def letter_list(found: LetterList) -> View:
    """Show dead letters; it fails if a subscription could not be read."""
    collected = found.collected

    def show(console: Console) -> None:
        if not found.letters:
            console.note("No dead letter matches." if found.request.topic else "No message waits for a decision.")
        else:
            console.table(
                ["message", "topic", "state", "age", "attempts", "replays", "reason"],
                [
                    (
                        letter.message_id,
                        letter.topic or "?",
                        letter.state,
                        format_duration(max(0.0, (found.now - letter.published_at).total_seconds())),
                        "" if letter.attempts is None else str(letter.attempts),
                        str(letter.replays),
                        Styled(letter.reason or "", "red"),
                    )
                    for letter in found.letters
                ],
                optional=["attempts", "replays", "age", "reason"],
            )
        for name, number in collected.moved.items():
            are = "it is" if number == 1 else "they are"
            console.note(f"Saved {count(number)} of {name}; {are} acknowledged there.")
        for name in collected.more:
            console.note(f"More messages wait in {name}: run the same command again.")
        console.showing(len(found.letters), found.total, "messages", more="--limit shows more.")

    error = next(iter(collected.failed.values()), None)
    return View(
        {
            "messages": [_line(letter) for letter in found.letters],
            "total": found.total,
            "collected": dict(collected.moved),
            "more": sorted(collected.more),
        },
        show,
        items="messages",
        exit_code=0 if error is None else error.exit_code,
        error=error,
        warnings=tuple(f"not emptied: {name}: {why}" for name, why in collected.failed.items()),
    )


def letter_details(details: LetterDetails) -> View:
    """Show a dead letter."""
    letter = details.letter
    form, data = _decoded(details.data)
    attributes = mask_within(letter.attributes)
    facts = {**_line(letter), "not replayed": details.obstacle}

    def show(console: Console) -> None:
        for name, value in facts.items():
            if value is not None:
                console.print(_label(name.replace("_", " ")), _fact(name, value))
        for entry in letter.history:
            why = f": {entry['reason']}" if entry.get("reason") else ""
            console.print(_label(entry["event"]), f"{moment(entry['at'])} by {entry['by']}{why}")
        for name, value in sorted(attributes.items()):
            console.print(_label("attribute"), visible(f"{name}={value}"))
        if form == "base64":
            console.print(_label("data"), "not UTF-8; as base64:")
        for line in _lines(form, data):
            console.print(line)

    history = [dict(entry) for entry in letter.history]
    shown = {**_line(letter), "obstacle": details.obstacle, "encoding": form, "data": data}
    return View({"message": {**shown, "attributes": attributes, "history": history}}, show, paged=True)


def letters_changed(changed: LettersChanged) -> View:
    """Show what was done with dead letters; it fails if one of them was refused or failed."""
    not_done = [letter for letter in changed.chosen if letter.id in changed.refused or letter.id in changed.failed]

    def show(console: Console) -> None:
        for letter in changed.chosen if changed.dry_run else ():
            if letter not in not_done:
                where = f" to {letter.topic}" if changed.verb == "replay" else ""
                console.note(f"Would {changed.verb} {letter.id}{where}.")
        for letter in not_done:
            why = changed.refused.get(letter.id) or changed.failed[letter.id].message
            console.note(f"{letter.id}: {why}")
        if changed.changed:
            console.note(f"{_DONE[changed.verb]} {count(len(changed.changed))}.")
            if changed.verb == "archive":
                ids = " ".join(letter.message_id for letter in changed.changed[:_NAMED])
                rest = " …" if len(changed.changed) > _NAMED else ""
                console.note(f"To take it back: nbactl dlq archive {ids}{rest} --undo")
        if not changed.chosen:
            console.note("Nothing to do: no message waits for a decision.")

    return View(
        {
            "messages": [_line(letter) for letter in (changed.changed or changed.chosen)],
            "changed": [letter.id for letter in changed.changed],
            "refused": [{"id": identifier, "reason": why} for identifier, why in changed.refused.items()],
            "failed": [
                {"id": identifier, "code": error.code, "message": error.message}
                for identifier, error in changed.failed.items()
            ],
        },
        show,
        items="messages",
        exit_code=1 if not_done else 0,
        error=_error(changed, len(not_done)),
        touched=_touched(changed),
        undo=_undo(changed),
    )


def _undo(changed: LettersChanged) -> tuple[tuple[str, ...], ...]:
    if changed.verb != "archive" or not changed.changed:
        return ()
    return (("dlq", "archive", *(letter.message_id for letter in changed.changed), "--undo"),)


def _error(changed: LettersChanged, number: int) -> NbactlError | None:
    if not number:
        return None
    return NbactlError(
        f"could not {changed.verb} {number} of {count(len(changed.chosen))}",
        next_step="Find out what failed, then add --force." if changed.forceable else None,
    )


def _touched(changed: LettersChanged) -> str | None:
    names = [letter.id for letter in changed.chosen]
    return (
        (f"{len(names)} dead letters" if len(names) > _NAMED else f"dead letters {', '.join(names)}") if names else None
    )


def _line(letter: DeadLetter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in _FIELDS}


def _label(text: str) -> Styled:
    return Styled(f"{text:<{_LABEL}}", "dim")


def _fact(name: str, value: Any) -> str:  # noqa: ANN401 - any field of a dead letter
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "size":
        return f"{value:,} bytes"
    return moment(value) if name.endswith("_at") else str(value)


def _decoded(data: bytes) -> tuple[str, Any]:
    """Return the form of the data, json, text or base64, and the data without secrets."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(data).decode("ascii")
    try:
        return "json", mask_within(json.loads(text))
    except (ValueError, RecursionError):
        return "text", mask_within(text)


def _lines(form: str, data: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    text = json.dumps(data, ensure_ascii=False, indent=2) if form == "json" else str(data)
    yield from text.split("\n")
