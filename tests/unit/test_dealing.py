"""The order of the tests under `--dist worksteal`, which cuts it into one piece a worker."""

from __future__ import annotations

import pytest

from tests.kit.dealing import SLOW, deal
from tests.kit.paths import ROOT

FILES = [f"tests/a/test_{number}.py" for number in range(9)] + ["tests/acceptance/test_b.py", SLOW[1], SLOW[0]]
TESTS = [f"{file}::{number}" for file in FILES for number in range(4)]


def pieces(workers: int) -> list[list[str]]:
    dealt, found = deal(TESTS, lambda test: test.partition("::")[0], workers), []
    assert sorted(dealt) == sorted(TESTS)
    for left in range(workers, 0, -1):
        found.append(dealt[: len(dealt) // left])
        dealt = dealt[len(dealt) // left :]
    return found


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_test_is_dealt_once_and_slow_files_come_first(workers: int) -> None:
    firsts = [piece[0].partition("::")[0] for piece in pieces(workers)]
    assert firsts[:3] == [SLOW[0], SLOW[1], "tests/acceptance/test_b.py"][:workers]


def test_a_slow_file_stays_with_one_worker() -> None:
    for start in ("tests/acceptance/test_b.py", *SLOW[:2]):
        assert [sum(test.startswith(start) for test in piece) for piece in pieces(3)].count(4) == 1


def test_each_entry_of_the_list_is_there() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    assert [start for start in SLOW if not any(file.startswith(start) for file in files)] == []
