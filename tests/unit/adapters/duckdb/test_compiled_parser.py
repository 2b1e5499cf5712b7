"""The compiled sqlglot cannot be extended; target local says so in place of a TypeError."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlglot.parsers.bigquery import BigQueryParser  # noqa: TID253 - what is replaced

from nbactl.adapters.duckdb.sql import parse
from nbactl.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise TypeError("interpreted classes cannot inherit from compiled")

    monkeypatch.setattr(BigQueryParser, "__init__", refuse)
    parse.dialect.cache_clear()
    yield
    parse.dialect.cache_clear()


@pytest.mark.usefixtures("compiled")
def test_the_compiled_parser_is_named_with_what_to_do() -> None:
    with pytest.raises(PreconditionError, match="compiled sqlglot") as raised:
        parse.dialect()
    assert raised.value.next_step == "Run: pip uninstall sqlglotc."
