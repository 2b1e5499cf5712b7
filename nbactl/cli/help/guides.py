"""The guides: the pages of docs/, which ship inside the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError


def guides() -> dict[str, str]:
    """Return the name of every page with its title."""
    return {name: _title(page) for name, page in _pages().items()}


def read_guide(name: str) -> str:
    """Return the text of a page. Raises NotFoundError with the closest name."""
    pages = _pages()
    if name not in pages:
        raise NotFoundError(f"there is no guide '{name}'", next_step=did_you_mean(name, pages))
    return pages[name].read_text(encoding="utf-8")


@cache
def _pages() -> dict[str, Path]:
    folder = _folder()
    pages = sorted(folder.rglob("*.md"))
    return {str(page.relative_to(folder).with_suffix("")): page for page in pages}


def _folder() -> Path:
    """Return where the pages are: inside the package, or beside it in a checkout."""
    packaged = Path(__file__).with_name("docs")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs"


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("# ").strip()
