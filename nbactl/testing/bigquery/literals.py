"""Python's values as literals of the engine: how the values of script variables get into its SQL."""

from __future__ import annotations

import math
from typing import Any

from nbactl.adapters.duckdb.sql.types import Type, duckdb_name, identifier, struct_names, text


def literal(value: Any, kind: Type) -> str:  # noqa: ANN401, PLR0911 - a value of any type, one return a type
    """Return a value as SQL of the engine."""
    name = duckdb_name(kind)
    if value is None:
        return f"CAST(NULL AS {name})"
    if kind.element is not None:
        return f"CAST([{', '.join(literal(part, kind.element) for part in value)}] AS {name})"
    match kind.kind:
        case "STRUCT":
            parts = ", ".join(
                f"{identifier(own)} := {literal(value[own], part)}"
                for own, (_, part) in zip(struct_names(kind), kind.fields, strict=True)
            )
            return f"struct_pack({parts})"
        case "BOOL":
            return "TRUE" if value else "FALSE"
        case "BYTES":
            return f"from_hex('{bytes(value).hex()}')"
        case "FLOAT64" if not math.isfinite(value):
            return f"CAST('{value}' AS DOUBLE)"
        case "TIMESTAMP":
            return f"CAST('{value.replace(tzinfo=None).isoformat(' ')}+00' AS TIMESTAMPTZ)"
        case _:
            return f"CAST({text(str(value))} AS {name})"
