"""What was published, as JSON and as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbactl.cli.publish.command import received
from nbactl.cli.show.render import View
from nbactl.core._support.controls import visible
from nbactl.core.observe.masking import mask_within

if TYPE_CHECKING:
    from nbactl.cli.publish.command import Publication
    from nbactl.cli.show.console import Console


def publication(made: Publication) -> View:
    """Show the messages, what follows, and their ids."""
    topic, dry_run = made.form.topic, made.request.dry_run
    shown = [mask_within(message.data) for message in made.messages]

    def show(console: Console) -> None:
        for data in shown:
            console.print(visible(json.dumps(data, sort_keys=True)))
        for sentence in () if made.asked else (*made.effects, *map(received, made.receivers or ())):
            console.note(sentence)
        if made.before:
            ids = ", ".join(str(message.message_id) for message in made.messages)
            console.note(f"Nothing to do: published before as {ids}. Use --again to publish it once more.")
        elif dry_run:
            console.note(f"Would publish {_count(len(shown))} to {topic}.")
        else:
            for message in made.messages:
                if message.message_id is None:
                    console.note(f"{message.key} is being published by another process.")
                else:
                    console.note(f"Published {message.message_id} to {topic}.")

    return View(
        {
            "topic": topic,
            "kind": made.form.kind,
            "phase": made.form.phase,
            "game_date": str(made.request.values.game_date),
            "messages": [
                {"key": message.key, "message_id": message.message_id, "data": data}
                for message, data in zip(made.messages, shown, strict=True)
            ],
            "effects": list(made.effects),
            "receivers": None if made.receivers is None else [one.name for one in made.receivers],
            "published_before": made.before,
        },
        show,
        items="messages",
        warnings=made.warnings,
        touched=None if made.before else f"{_count(len(shown))} to {topic}",
    )


def _count(number: int) -> str:
    return f"{number} message{'s' if number != 1 else ''}"
