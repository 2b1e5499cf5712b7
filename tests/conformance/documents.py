"""What every DocumentStore must do. An engine subclasses DocumentStoreConformance and gives `open_store`.

Each test works in a collection of its own, so that an engine may keep its data from test to test.
"""

from __future__ import annotations

import uuid
from abc import abstractmethod
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.conformance.documents_batches import Interruptions
from tests.conformance.documents_queries import Queries
from tests.conformance.documents_refusals import Refusals
from tests.conformance.documents_transactions import Transactions
from tests.conformance.documents_values import Values
from tests.conformance.documents_writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do beyond the port's promise, or how much of it in reasonable time."""

    contenders: int
    """Threads that may change one document at the same time."""
    many: int
    """Documents that count as a large collection."""


class DocumentStoreConformance(Values, Refusals, Writes, Queries, Transactions, Interruptions):
    """The suite of the document port."""

    capabilities: Capabilities

    @abstractmethod
    def open_store(self, place: Path) -> DocumentStore:
        """Open a client; every client of the same `place` sees the same documents."""

    @pytest.fixture
    def open_client(self, tmp_path: Path) -> Iterator[Callable[[], DocumentStore]]:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(self.open_store(tmp_path)))

    @pytest.fixture
    def store(self, open_client: Callable[[], DocumentStore]) -> DocumentStore:
        return open_client()

    @pytest.fixture
    def collection(self) -> str:
        return f"c-{uuid.uuid4().hex}"

    @pytest.fixture
    def contenders(self) -> int:
        return self.capabilities.contenders

    @pytest.fixture
    def many(self) -> int:
        return self.capabilities.many
