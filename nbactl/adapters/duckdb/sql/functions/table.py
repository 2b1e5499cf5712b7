"""The form of the list of functions: a name, what it takes and gives, and how DuckDB computes the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import FLOAT64, INT64, NULL, SCALARS, Type, Value, array, coerces, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.context import Context
    from nbactl.adapters.duckdb.sql.scope import Scope


@dataclass(slots=True)
class Call:
    """A call of a function on its way to DuckDB. `safe` says that SAFE. was written before it."""

    name: str
    ctx: Context
    node: exp.Expr
    scope: Scope
    arguments: list[exp.Expr]
    compile_: Callable[[Context, exp.Expr, Scope], Value]
    safe: bool = False

    def value(self, number: int) -> Value:
        """Compile an argument."""
        return self.compile_(self.ctx, self.arguments[number], self.scope)

    def values(self) -> list[Value]:
        """Compile all arguments."""
        return [self.value(number) for number in range(len(self.arguments))]

    def typed(self, number: int, kind: Type) -> str:
        """Compile an argument that must be of a type. Raises DataError for another."""
        value = self.value(number)
        if not coerces(value, kind):
            raise invalid(f"argument {number + 1} of {self.name} is {kind}, not {value.type}", self.arguments[number])
        return as_type(value, kind, self.arguments[number])

    def literal(self, number: int, why: str) -> str:
        """Return an argument that must be a STRING literal. Raises DataError for another."""
        value = self.value(number)
        if value.literal is None or value.type.kind != "STRING":
            raise refused(f"{self.name} with {why} that is not a literal", self.arguments[number])
        return value.literal

    def count(self, *allowed: int) -> int:
        """Return the number of arguments. Raises DataError for one that is not allowed."""
        if len(self.arguments) not in allowed:
            listed = " or ".join(map(str, allowed))
            raise invalid(f"{self.name} takes {listed} arguments, not {len(self.arguments)}", self.node)
        return len(self.arguments)

    def fail(self, message: str) -> str:
        """Return what raises an error when it is computed, or NULL behind SAFE."""
        return "NULL" if self.safe else f"ERROR({text(message)})"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the list. `section` is where BigQuery's documentation defines it."""

    name: str
    section: str
    build: Callable[[Call], Value]
    forms: tuple[str, ...] = ()
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The types of the arguments, the type of the result, and the template of DuckDB's expression."""

    takes: tuple[Type, ...]
    gives: Type
    template: str
    repeated: bool = field(default=False)


def type_named(name: str) -> Type:
    """Return a type by its name, such as ARRAY<STRING>."""
    if name.startswith("ARRAY<"):
        return array(type_named(name[6:-1]))
    return SCALARS[name]


def signature(form: str, template: str) -> Signature:
    """Read `STRING, INT64 -> STRING`; `STRING...` is any number of them."""
    takes, _, gives = form.partition(" -> ")
    kinds = [part.strip() for part in takes.split(",") if part.strip()]
    repeated = bool(kinds) and kinds[-1].endswith("...")
    listed = tuple(type_named(kind.removesuffix("...")) for kind in kinds)
    return Signature(listed, type_named(gives), template, repeated)


def fn(name: str, section: str, *forms: tuple[str, str], safe: bool = True) -> Function:
    """Return a function whose forms are templates; `{!message}` in one is an error, or NULL behind SAFE."""
    signatures = [signature(*form) for form in forms]

    def build(call: Call) -> Value:
        values = call.values()
        chosen = _matching(signatures, values)
        if chosen is None:
            given = ", ".join(str(value.type) for value in values)
            raise invalid(
                f"there is no {name}({given})", call.node, instead=f"It takes: {'; '.join(f for f, _ in forms)}."
            )
        kinds = _kinds(chosen, len(values))
        sqls = [as_type(value, kind, node) for value, kind, node in zip(values, kinds, call.arguments, strict=True)]
        sql = filled(chosen.template, sqls, call)
        return Value(sql, chosen.gives, aggregate=any(value.aggregate for value in values))

    return Function(name, section, build, tuple(form for form, _ in forms), safe)


def special(name: str, section: str, *forms: str, safe: bool = False) -> Callable[[Callable[[Call], Value]], Function]:
    """Make a function of the list from a function that compiles its calls."""
    return lambda build: Function(name, section, build, forms, safe)


def filled(template: str, sqls: list[str], call: Call) -> str:
    """Return a template with its arguments put in."""
    while (start := template.find("{!")) >= 0:
        end = template.index("}", start)
        template = template[:start] + call.fail(template[start + 2 : end]) + template[end + 1 :]
    parts = template.split("{")
    return parts[0] + "".join(sqls[int(part[0])] + part[2:] if part[:1].isdigit() else "{" + part for part in parts[1:])


def _kinds(chosen: Signature, count: int) -> tuple[Type, ...]:
    if not chosen.repeated:
        return chosen.takes
    return chosen.takes + chosen.takes[-1:] * (count - len(chosen.takes))


def _matching(signatures: list[Signature], values: list[Value]) -> Signature | None:
    best, price = None, None
    for one in signatures:
        if len(values) < len(one.takes) or (len(values) > len(one.takes) and not one.repeated):
            continue
        kinds = _kinds(one, len(values))
        if not all(coerces(value, kind) for value, kind in zip(values, kinds, strict=True)):
            continue
        changed = [value for value, kind in zip(values, kinds, strict=True) if value.type not in (kind, NULL)]
        floats = sum(kind == FLOAT64 and value.type == INT64 for value, kind in zip(values, kinds, strict=True))
        cost = (sum(value.literal is None for value in changed), len(changed), -floats)
        if price is None or cost < price:
            best, price = one, cost
    return best


DOCS: Final = "https://cloud.google.com/bigquery/docs/reference/standard-sql/"
