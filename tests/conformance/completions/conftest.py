from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.completions.lab import Lab

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore


@pytest.fixture
def lab(store: DocumentStore) -> Lab:
    return Lab(store)
