"""Which queries of a collection have to stay fast however many documents it holds: declared by those who ask them."""

from __future__ import annotations

from nbactl.frozen import frozen


@frozen
class Index:
    """An index of the documents directly in `collection`, by top-level fields.

    It serves equality on all fields, and equality on the first ones with a range or an order on the next. An engine
    without it gives the same answers, more slowly. Firestore indexes single fields itself; its composite indexes are in
    `firestore.indexes.json`.
    """

    collection: str
    fields: tuple[str, ...]
