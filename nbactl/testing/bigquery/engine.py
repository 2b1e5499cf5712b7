"""Errors of the engine as BigQuery's."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.errors import first_line
from nbactl.testing.bigquery.errors import ApiError, invalid_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.testing.bigquery.job import Job

_NOT_NULL: Final = re.compile(r"NOT NULL constraint failed: \w+\.(\w+)")
_MEANT: Final = (
    (re.compile(r"^Invalid Input Error: "), ""),
    (re.compile(r"^Conversion Error: "), "Bad value: "),
    (re.compile(r"^Out of Range Error: "), "Numeric overflow: "),
)


@contextmanager
def translated(job: Job) -> Iterator[None]:
    """Raise what the engine raises as ApiError."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise job.stop or ApiError("internalError", "The job encountered an internal error") from error
    except duckdb.ConstraintException as error:
        column = _NOT_NULL.search(str(error))
        message = f"Required field {column[1]} cannot be null" if column else first_line(error)
        raise invalid_query(message) from error
    except duckdb.TransactionException as error:
        raise invalid_query(f"Transaction is aborted due to concurrent update: {first_line(error)}") from error
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        raise ApiError("notImplemented", f"The test server cannot run this statement: {first_line(error)}") from error
    except duckdb.Error as error:
        message = first_line(error)
        for pattern, meaning in _MEANT:
            message = pattern.sub(meaning, message)
        raise invalid_query(message) from error
