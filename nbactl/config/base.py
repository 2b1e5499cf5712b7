"""What the models of the three YAML files share."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError


class Strict(BaseModel):
    """A model that refuses unknown keys and wrong types (invariant 21) and cannot be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _seconds(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    if not isinstance(value, str):
        raise ValueError("write a duration as number and unit, such as 90s, 30m, 4h or 7d")  # noqa: TRY004 - pydantic wants ValueError
    try:
        return parse_duration(value)
    except UsageError as error:
        raise ValueError("write a duration above zero as number and unit, such as 90s, 30m, 4h or 7d") from error


def _time_of_day(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    try:
        return time.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("write a time of day as HH:MM, Eastern time") from error


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*$")]
Seconds = Annotated[float, BeforeValidator(_seconds)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
