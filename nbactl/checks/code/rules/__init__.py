"""The rules of `nbactl check code`, one file each, and those of `nbactl bq lint`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules import (
    ack_before_work,
    bq_no_timeout,
    env_replace,
    firestore_no_timeout,
    from_ruff,
    hardcoded_timeout,
    http_no_retry,
    pubsub_result_no_timeout,
    single_row_load,
    swallowed_exception,
    utc_game_date,
)
from nbactl.checks.sql.rules import SQL_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENGINE: Final = (
    Rule(
        name="not-parsed",
        severity="error",
        summary="A file was not looked at, because it cannot be parsed.",
        why="A file that is not looked at has no findings, which is not the same as being clean.",
        fix="Repair its syntax, or leave the file out of the paths. Generated files of more than 1 MiB are left out.",
        bad=("print 'Python 2'\n",),
        good=("print('Python 3')\n",),
    ),
    Rule(
        name="unused-ignore",
        severity="error",
        summary="A comment ignores a rule that finds nothing there.",
        why="A comment that outlives its finding hides the next one.",
        fix="Remove the comment; --fix does.",
        bad=("x = 1  # nbactl: ignore[naive-datetime] the clock of a test\n",),
        good=("x = 1  # nothing to ignore\n",),
    ),
    Rule(
        name="invalid-ignore",
        severity="error",
        summary="A comment ignores without a reason, or a rule that does not exist.",
        why="The next reader has to know why the rule does not hold here. Such a comment has no effect.",
        fix="Write `# nbactl: ignore[RULE] reason`.",
        bad=("x = 1  # nbactl: ignore[naive-datetime]\n", "x = 1  # nbactl: ignore[no-such-rule] because\n"),
        good=("x = 1  # nbactl does not ignore this\n",),
    ),
)

RULES: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        bq_no_timeout.RULE,
        firestore_no_timeout.RULE,
        pubsub_result_no_timeout.RULE,
        single_row_load.RULE,
        from_ruff.HTTP_NO_TIMEOUT,
        http_no_retry.RULE,
        hardcoded_timeout.RULE,
        from_ruff.BARE_EXCEPT,
        from_ruff.BROAD_EXCEPT,
        swallowed_exception.RULE,
        ack_before_work.RULE,
        utc_game_date.RULE,
        from_ruff.NAIVE_DATETIME,
        env_replace.RULE,
        *SQL_RULES,
        *_ENGINE,
    )
}
