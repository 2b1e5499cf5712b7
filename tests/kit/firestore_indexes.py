"""The indexes that production needs: neither SQLite nor the emulator refuses a query for want of one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nbactl.adapters.firestore
from nbactl.ports.document_rules import field_keys
from nbactl.ports.query_rules import full_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import Query

FILE: Final = Path(nbactl.adapters.firestore.__path__[0]) / "firestore.indexes.json"
_OF_A_TEST: Final = re.compile(r"c(-.*)?|sub|big", re.DOTALL)
"""Collections in the tests of the stores themselves, which ask whatever can be asked."""

Fields = tuple[tuple[str, str], ...]


class MissingIndexError(AssertionError):
    """A query that production Firestore would refuse (FAILED_PRECONDITION: the query requires an index)."""


def declared() -> dict[str, set[Fields]]:
    """Return the composite indexes of each collection, as `firebase deploy` reads them."""
    found: dict[str, set[Fields]] = {}
    for index in json.loads(FILE.read_text(encoding="utf-8"))["indexes"]:
        fields = tuple((field["fieldPath"], field["order"]) for field in index["fields"])
        found.setdefault(index["collectionGroup"], set()).add(fields)
    return found


def needed(query: Query) -> set[Fields]:
    """Return the composite indexes that a query needs; several equalities may share those of one each.

    A single field, in either direction, has an index of its own, and so have equalities without an order.
    """
    order = tuple((_name(each.field), "DESCENDING" if each.descending else "ASCENDING") for each in full_order(query))
    ordered = {name for name, _ in order}
    equal = {_name(each.field) for each in query.filters if each.op in {"==", "in", "array-contains"}} - ordered
    if not order or (len(order) == 1 and not equal):
        return set()
    return {((name, "ASCENDING"), *order) for name in equal} or {order}


def check(query: Query) -> None:
    """Raise MissingIndexError for a query whose index is not declared."""
    group = query.collection.rpartition("/")[2]
    if _OF_A_TEST.fullmatch(group):
        return
    if missing := needed(query) - declared().get(group, set()):
        raise MissingIndexError(f"{FILE.name} lacks an index of {group} on {sorted(missing)}")


def checked(select: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes SQL of a query, and refuses it before if production would."""

    def select_checked(query: Query, columns: str) -> Any:
        check(query)
        return select(query, columns)

    return select_checked


def _name(field: Any) -> str:
    return ".".join(field_keys(field))
