from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite import schema

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("created_before", [1, 2, 3])
def test_a_file_that_is_created_while_it_is_checked_is_not_another_programs(
    tmp_path: Path, created_before: int
) -> None:
    file = tmp_path / "documents.db"
    connection = schema.connect(file, 1.0, writable=True)
    seen: list[str] = []

    def create_meanwhile(statement: str) -> None:
        seen.append(statement)
        if len(seen) == created_before:
            other = schema.connect(file, 1.0, writable=True)
            schema.prepare(other, str(file))
            other.close()

    connection.set_trace_callback(create_meanwhile)
    assert schema.check(connection, str(file)) in (True, False)
    connection.set_trace_callback(None)
    assert len(seen) == 3
    assert schema.check(connection, str(file))
    connection.close()
