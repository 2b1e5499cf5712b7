"""Self-contained HTML pages: no script, nothing loaded, light and dark.

Whatever comes from data is escaped by `tag`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from nbactl.cli.show.markup import Html, tag, void

if TYPE_CHECKING:
    from collections.abc import Iterable

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def html_page(title: str, style: str, parts: Iterable[Html]) -> str:
    """Return a page. `style` is a style sheet, `PACKAGE/FILE`, that is added to what all pages share."""
    package, _, file = style.partition("/")
    sheets = [files(where).joinpath(name) for where, name in (("nbactl.cli.show", "page.css"), (package, file))]
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        void("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html("".join(sheet.read_text(encoding="utf-8") for sheet in sheets))),
    )
    body = tag("body", tag("main", *parts))
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'
