"""Every page: it says what it is about, its links lead somewhere, and the index has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page: Path) -> None:
    """A line may name one that is planned, or a new one, if it says so."""
    if page.name == "CHANGELOG.md":
        return
    for line in text_of(page).splitlines():
        if "planned" in line or "A new file" in line:
            continue
        for name in re.findall(r"`((?:nbactl|tests|docs|benchmarks)/[\w./-]*)`", line):
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", [page for page in PAGES if DOCS in page.parents], ids=lambda page: page.name)
def test_a_page_begins_with_what_it_is_about(page: Path) -> None:
    title, blank, first, *_ = page.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"# \S.*", title)
    assert not blank
    assert re.match(r"[A-Z`][^|#]{30,}", first), "one sentence for `nbactl help`"


def test_the_index_has_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - linked == {"index.md"}


GENERATED = {"reference.md"}
"""Made from the help of the commands; the words are theirs."""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_words_are_plain(page: Path) -> None:
    text = text_of(page)
    if page.name == "CONTRIBUTING.md":
        text = text.partition("## Words")[0]  # the glossary has words to avoid
    odd = r"\b(anew|whoever|amiss|heed(s|ed)?|oftener|is told|are told|told of|becomes? of|goes on|for ever)\b"
    assert page.name in GENERATED or not re.findall(odd, text)
