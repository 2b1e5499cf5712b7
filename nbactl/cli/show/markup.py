"""HTML that cannot be injected into: text is escaped unless it is markup made here."""

from __future__ import annotations

from html import escape


class Html(str):
    """Markup that is safe to embed as it is."""

    __slots__ = ()


def tag(element: str, /, *children: str, cls: str = "", **attributes: str) -> Html:
    """Return an element. Children that are not `Html` are escaped, and so are attribute values.

    Attribute names are written with `_` for `-`; `cls` is the class.
    """
    inside = "".join(child if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"{void(element, cls=cls, **attributes)}{inside}</{element}>")


def void(element: str, /, *, cls: str = "", **attributes: str) -> Html:
    """Return a start tag alone, as of an element without content."""
    given = {"class": cls, **{key.replace("_", "-"): value for key, value in attributes.items()}}
    text = "".join(f' {key}="{escape(value)}"' for key, value in given.items() if value or key != "class")
    return Html(f"<{element}{text}>")
