"""What a command returns: the data for programs, and how a person sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.cli.show.console import Console
    from nbactl.errors import NbactlError


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a command.

    `data` is the `data` of the JSON envelope; `show` prints it for a person; `items` names the list in `data`
    whose elements `-o jsonl` prints, one a line (without it jsonl prints `data` as one line). `error` says
    in one sentence why `exit_code` is not 0, where the data alone would leave a reader to guess. `once_told` is called
    when all of it was written: what must not be forgotten before somebody was told of it ends there.
    """

    data: Mapping[str, Any]
    show: Callable[[Console], None]
    items: str | None = None
    exit_code: int = 0
    run_id: str | None = None
    warnings: tuple[str, ...] = field(default=())
    error: NbactlError | None = None
    once_told: Callable[[], None] | None = None
