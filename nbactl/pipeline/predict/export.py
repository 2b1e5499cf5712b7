"""The day's predictions as a file for the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.processor import ProcessorResources


def export_predictions(
    resources: ProcessorResources, game_date: date, folder: Path, *, labels: Mapping[str, str] | None = None
) -> int:
    """Write the predictions of the date to `folder`/DATE.json; returns how many the file has then.

    Players who are in the file and not in the table stay. The file appears whole or not at all.
    `resources.exports` is the folder of this process.
    """
    raise NotImplementedError
