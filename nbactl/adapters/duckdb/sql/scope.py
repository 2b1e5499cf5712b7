"""Which name means what: the relations of a FROM clause, and the columns that they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbactl.adapters.duckdb.errors import did_you_mean
from nbactl.adapters.duckdb.sql.parse import invalid, place, refused
from nbactl.adapters.duckdb.sql.types import Type, Value, identifier, struct_names, text
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp


@dataclass(frozen=True, slots=True)
class Column:
    """A column in scope and how DuckDB reads it."""

    name: str
    value: Value


@dataclass(slots=True)
class Relation:
    """What stands in a FROM clause: its name there, its columns, and the value that the name itself means, if any."""

    name: str
    columns: list[Column]
    whole: Value | None = None


@dataclass(slots=True)
class Scope:
    """The names that an expression sees. `aliases` are those of the SELECT list, which win over columns."""

    outer: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    joined: dict[str, Value] = field(default_factory=dict)
    aliases: dict[str, Value] = field(default_factory=dict)

    def with_aliases(self, aliases: dict[str, Value]) -> Scope:
        """Return the scope of a clause that sees the aliases of the SELECT list."""
        return Scope(self.outer, self.relations, self.joined, aliases)

    def stars(self) -> Iterator[Column]:
        """Yield the columns of `*`."""
        merged = {name: Column(name, value) for name, value in self.joined.items()}
        yield from merged.values()
        for relation in self.relations:
            for column in relation.columns:
                if column.name.lower() not in merged:
                    yield column

    def relation(self, name: str) -> Relation | None:
        """Return the relation of that name here."""
        return next((one for one in self.relations if one.name.lower() == name.lower()), None)

    def names(self) -> list[str]:
        """Return the names of all columns, for suggestions."""
        own = [column.name for relation in self.relations for column in relation.columns]
        return own + (self.outer.names() if self.outer else [])

    def resolve(self, path: list[str], node: exp.Expr) -> Value:
        """Return what a name with dots means. Raises NotFoundError with a suggestion."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.own(path, node)
            if found is not None:
                return found
            scope = scope.outer
        raise NotFoundError(
            f"there is no column {'.'.join(path)}{place(node)}",
            next_step=did_you_mean(path[-1], self.names()),
            details={"column": ".".join(path)},
        )

    def own(self, path: list[str], node: exp.Expr) -> Value | None:
        """Return what a name means among the names of this scope, None if nothing."""
        first = path[0].lower()
        alias = self.aliases.get(first)
        if alias is not None and (len(path) == 1 or alias.type.kind in ("STRUCT", "JSON")):
            return fields(alias, path[1:], node)
        relation = self.relation(path[0])
        if relation is not None:
            return _of_relation(relation, path, node)
        if first in self.joined:
            return fields(self.joined[first], path[1:], node)
        found = [
            column.value for relation in self.relations for column in relation.columns if column.name.lower() == first
        ]
        if len(found) > 1:
            raise invalid(f"column name {path[0]} is ambiguous", node, instead="Write the table's alias before it.")
        return fields(found[0], path[1:], node) if found else None


def _of_relation(relation: Relation, path: list[str], node: exp.Expr) -> Value:
    """A name in FROM wins over a column with the same name."""
    if len(path) == 1:
        if relation.whole is None:
            raise refused(f"{path[0]}, a whole row,", node, "Name its columns.")
        return relation.whole
    for column in relation.columns:
        if column.name.lower() == path[1].lower() and (relation.whole is None or relation.whole.type.kind == "STRUCT"):
            return fields(column.value, path[2:], node)
    if relation.whole is not None:
        return fields(relation.whole, path[1:], node)
    raise NotFoundError(
        f"there is no column {'.'.join(path)}{place(node)}",
        next_step=did_you_mean(path[1], [column.name for column in relation.columns]),
        details={"column": ".".join(path)},
    )


def fields(value: Value, path: list[str], node: exp.Expr) -> Value:
    """Return a field of a STRUCT or of JSON, by a path of names."""
    for name in path:
        value = one_field(value, name, node)
    return value


def one_field(value: Value, name: str, node: exp.Expr) -> Value:
    """Return one field of a STRUCT or of JSON. Raises DataError for another type, or a field that it lacks."""
    if value.type.kind == "JSON":
        return Value(f"json_extract({value.sql}, {text(json_key(name))})", value.type, aggregate=value.aggregate)
    if value.type.kind != "STRUCT":
        raise invalid(f"a {value.type} has no field {name}", node)
    for own, (written, kind) in zip(struct_names(value.type), value.type.fields, strict=True):
        if written.lower() == name.lower() and written:
            return Value(f"struct_extract({value.sql}, {text(own)})", kind, aggregate=value.aggregate)
    raise invalid(f"{value.type} has no field {name}", node)


def json_key(name: str) -> str:
    """Return a key as a JSON path of DuckDB."""
    return '$."' + name.replace('"', '\\"') + '"'


def column_sql(relation: str, name: str, kind: Type) -> Value:
    """Return a column of a relation that this compiler named itself."""
    return Value(f"{relation}.{identifier(name)}", kind)
