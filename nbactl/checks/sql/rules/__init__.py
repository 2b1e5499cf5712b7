"""The rules of `nbactl bq lint`, one file each."""

from __future__ import annotations

from typing import Final

from nbactl.checks.sql.rules import (
    clustering_columns,
    clustering_wrapped,
    cross_join,
    current_date,
    filter_does_not_prune,
    not_bigquery,
    partition_filter_missing,
    select_star_wide,
)

SQL_RULES: Final = (
    partition_filter_missing.RULE,
    filter_does_not_prune.RULE,
    not_bigquery.RULE,
    current_date.RULE,
    select_star_wide.RULE,
    cross_join.RULE,
    clustering_wrapped.RULE,
    clustering_columns.RULE,
)
