"""Documents for services: the writes and queries of a document store, so that they import the core alone."""

from nbactl.ports.documents import (
    DELETE_FIELD,
    SERVER_TIME,
    ArrayRemove,
    ArrayUnion,
    Create,
    Delete,
    Document,
    DocumentStore,
    Filter,
    Increment,
    Order,
    Query,
    Set,
    Update,
    Write,
)

__all__ = [
    "DELETE_FIELD",
    "SERVER_TIME",
    "ArrayRemove",
    "ArrayUnion",
    "Create",
    "Delete",
    "Document",
    "DocumentStore",
    "Filter",
    "Increment",
    "Order",
    "Query",
    "Set",
    "Update",
    "Write",
]
