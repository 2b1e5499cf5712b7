"""Whether predictions can be made and written: found out before the night, not by its first player."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import DataError, NotFoundError
from nbactl.pipeline.predict.model import PastGame, PlayerInputs, inputs_data, parse_inputs, predict
from nbactl.pipeline.predict.writing import TABLE, check_predictions_table, prediction_rows
from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock
    from nbactl.ports.warehouse import TableSchema, Warehouse


def try_prediction(clock: Clock) -> None:
    """Predict for a player who does not exist, from inputs as they come in a message. Raises what a request would."""
    day = GameDate.of(clock.now()).day
    game = PastGame(game_date=day - timedelta(days=2), minutes=30.0, points=20, rebounds=5, assists=7)
    inputs = PlayerInputs(
        player_lookup="selftest",
        game_id="0",
        game_date=day,
        team_abbr="BOS",
        opponent_team_abbr="MIA",
        rest_days=1,
        opponent_factors={},
        games=(game,),
    )
    sent = parse_inputs(inputs_data(inputs))
    prediction_rows(sent, predict(sent, partial=False), partial=False)


class TableCheck:
    """Checks that the predictions table has the declared columns; a missing table is made.

    It is looked at every `every` seconds, and each time while it is wrong.
    """

    def __init__(
        self,
        warehouse: Callable[[], Warehouse],
        schema_of: Callable[[str], TableSchema],
        clock: Clock,
        *,
        every: float,
        alert: Callable[[Alert], None],
    ) -> None:
        self._warehouse = warehouse
        self._schema_of = schema_of
        self._clock = clock
        self._every = every
        self._alert = alert
        self._right_until = self._quiet_until = float("-inf")

    def check(self) -> None:
        """Raise DataError that names what the table lacks; it is an alert, too."""
        now = self._clock.monotonic()
        if now < self._right_until:
            return
        declared, warehouse = self._schema_of(TABLE), self._warehouse()
        try:
            check_predictions_table(warehouse, declared)
        except NotFoundError:
            warehouse.create_table(declared)
        except DataError as error:
            if now >= self._quiet_until:
                self._quiet_until = now + self._every
                text, next_step = error.cause or "", error.next_step
                self._alert(Alert("predictions_table", "critical", error.message, text, next_step=next_step))
            raise
        self._right_until = now + self._every
