"""The inputs of a date's predictions: one query for all players."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from nbactl.pipeline.predict.model import PlayerInputs
    from nbactl.pipeline.processor import ProcessorResources


def load_inputs(
    resources: ProcessorResources,
    game_date: date,
    players: Collection[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> dict[str, PlayerInputs]:
    """Return what is known of each player that the feature store has on the date, by `player_lookup`; one query.

    With `players` only of those. A player who never played has inputs without games. Nothing of the date itself or
    later is read. A date without games has no players.
    """
    raise NotImplementedError
