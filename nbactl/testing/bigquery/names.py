"""Which labels, job ids and dataset ids the service takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABELS: Final = 64
_JOB: Final = re.compile(r"[A-Za-z0-9_\-]{1,1024}")
_DATASET: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ApiError unless keys and values are lower case letters, digits, `_` and `-`, at most 63 of them.

    https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    if len(labels) > _LABELS:
        raise ApiError("invalid", f"The number of labels must not exceed {_LABELS}")
    for key, value in labels.items():
        for what, text in (("key", key), ("value", value)):
            if len(text) > 63:  # noqa: PLR2004 - the documentation's number
                raise ApiError("invalid", f'Label {what} "{text}" is too long: at most 63 characters are allowed.')
            if not all((one.isalnum() and one == one.lower()) or one in "_-" for one in text):
                raise ApiError("invalid", f'Label {what} "{text}" has invalid characters.')
        if not key or not key[0].isalpha():
            raise ApiError("invalid", f'Label key "{key}" does not begin with a letter.')


def check_job(name: str) -> None:
    """Raise ApiError unless a name can be a job's.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/JobReference
    """
    if not _JOB.fullmatch(name):
        raise ApiError(
            "invalid",
            f'Invalid job ID "{name}". Job IDs must be alphanumeric (plus underscores and dashes) and must be at most '
            "1024 characters long.",
        )


def check_dataset(name: str) -> None:
    """Raise ApiError unless a name can be a dataset's: https://cloud.google.com/bigquery/docs/datasets#dataset-naming."""
    if not _DATASET.fullmatch(name):
        raise ApiError(
            "invalid",
            f'Invalid dataset ID "{name}". Dataset IDs must be alphanumeric (plus underscores) and must be at most '
            "1024 characters long.",
        )
