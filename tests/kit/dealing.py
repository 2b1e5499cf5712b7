"""In which order xdist's workers run the tests: slow files first, each on one worker."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

SLOW: Final = (
    "tests/integration/adapters/bigquery/test_googlesql.py",
    "tests/faults/test_completions_stress.py",
    "tests/acceptance/",
    "tests/integration/pipeline/test_repeatable_numbers.py",
    "tests/integration/pipeline/test_filled_in_past.py",
    "tests/integration/pipeline/test_windows.py",
    "tests/docs/test_howto.py",
    "tests/docs/test_data_page.py",
    "tests/integration/cli/demo/",
    "tests/integration/cli/flags/test_rollout",
    "tests/integration/pipeline/test_real_dates.py",
    "tests/conformance/test_outbox_kills.py",
    "tests/conformance/test_idempotency_kills.py",
    "tests/property/test_analytics.py",
    "tests/property/test_rollout_model.py",
)
"""Where single tests take 10 to 100 seconds, the slowest first. A worker that begins one last is waited for."""


def deal(items: Sequence[T], path: Callable[[T], str], workers: int) -> list[T]:
    """Return the items in the order in which `--dist worksteal` hands each worker its share of the slow files first.

    It cuts the list into pieces of one length, a piece a worker. A slow file stays whole: what its tests share is
    made once.
    """
    files: dict[str, list[T]] = {}
    rest: list[T] = []
    for item in items:
        (files.setdefault(path(item), []) if path(item).startswith(SLOW) else rest).append(item)
    slow = sorted(files, key=lambda file: next(rank for rank, start in enumerate(SLOW) if file.startswith(start)))
    others, dealt = iter(rest), list[T]()
    for worker in range(workers):
        piece = (len(items) - len(dealt)) // (workers - worker)
        head = [item for file in slow[worker::workers] for item in files[file]]
        dealt += [*head, *islice(others, max(piece - len(head), 0))]
    return dealt
