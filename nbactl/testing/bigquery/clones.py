"""Snapshots, clones and copies: a table made of the rows of another one, which costs no bytes.

https://cloud.google.com/bigquery/docs/table-snapshots-intro and https://cloud.google.com/bigquery/docs/table-clones-intro
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.adapters.duckdb.sql.definitions import SNAPSHOT
from nbactl.adapters.duckdb.sql.types import identifier
from nbactl.testing.bigquery import clustering, options
from nbactl.testing.bigquery.errors import already_there, invalid_query, wrong_kind

if TYPE_CHECKING:
    from nbactl.testing.bigquery.session import Session
    from nbactl.testing.bigquery.store import Table

_OWN: Final = ("snapshotDefinition", "cloneDefinition", "expirationTime")
"""What a table does not hand on to one that is made of it."""


def create(session: Session, tree: exp.Create, node: exp.Table) -> str:
    """Run CREATE SNAPSHOT TABLE … CLONE, CREATE TABLE … CLONE, or COPY. Raises ApiError."""
    store, name = session.store, (node.db, node.name)
    snapshot = tree.args.get("kind") == SNAPSHOT
    source = tree.args["clone"]
    if not isinstance(source.this, exp.Table):
        raise invalid_query("a table is expected after CLONE")
    with store.lock:
        base = session.table(source.this)
        if base.kind not in ("TABLE", "SNAPSHOT") or (snapshot and base.kind == "SNAPSHOT"):
            raise wrong_kind(f"{store.project}:{'.'.join(base.name)}", base.kind)
        there = store.exists(name)
        if there and tree.args.get("exists"):
            return "SKIP"
        if there and not tree.args.get("replace"):
            raise already_there("Table", f"{store.project}:{'.'.join(name)}")
        store.dataset(node.db, session.location)
        kept = {key: value for key, value in copy.deepcopy(base.resource).items() if key not in _OWN}
        if not source.args.get("copy"):
            kept |= _definition(session, base, snapshot=snapshot)
        kept |= options.resource(options.given(session, tree), kept)
        if there:
            store.drop_table(store.table(name))
        made = store.create_table(name, copy.deepcopy(base.fields), kept)
        clustering.inherit(session.cursor, made, base)
        names = [column for column, _ in base.columns] + ([clustering.GENERATION] if base.generations else [])
        listed = ", ".join(map(identifier, names))
        if listed:
            session.cursor.execute(f"INSERT INTO {made.sql} ({listed}) SELECT {listed} FROM {base.sql}")
        made.partitions = dict(base.partitions)
        store.touch(made)
        return "REPLACE" if there else "CREATE"


def _definition(session: Session, base: Table, *, snapshot: bool) -> dict[str, Any]:
    dataset, table = base.name
    kind = "snapshot" if snapshot else "clone"
    return {
        f"{kind}Definition": {
            "baseTableReference": {"projectId": session.store.project, "datasetId": dataset, "tableId": table},
            f"{kind}Time": session.now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
    }
