"""What a statement reads and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.session import Session


def charge(session: Session, limits: Limits, job: Job, tree: exp.Expr) -> None:
    """Note what a statement reads."""
