"""The page of a report: self-contained, small, escaped, with a table for every chart."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from nbactl.cli.report.page import report_page
from tests.kit.reports import HOSTILE, a_report

_VOID = {"meta", "link"}


class Tags(HTMLParser):
    """The elements of a page; it must be balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_inv_28_names_in_data_are_shown_and_not_obeyed() -> None:
    page = report_page(a_report(), HOSTILE)
    tags = Tags(page)
    assert not [tag for tag, _ in tags.found if tag in ("script", "img", "iframe", "a")]
    assert "\x1b" not in page
    assert sum("<script>alert('x')</script>\\x1b[2J" in text for text in tags.texts) > 10  # shown as text
    assert all(not name.startswith("on") for _, attributes in tags.found for name in attributes)


def test_thirty_days_are_one_small_page_that_loads_nothing() -> None:
    page = report_page(a_report(30), "gcp (nba-props-platform)")
    assert len(page.encode()) < 60_000
    tags = Tags(page)
    assert [attributes["href"] for _, attributes in tags.found if "href" in attributes] == ["data:,"]
    assert not [attributes for _, attributes in tags.found if "src" in attributes]
    assert "url(" not in page
    policy = next(str(attributes["content"]) for tag, attributes in tags.found if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "light-dark(" in page


def test_every_chart_has_a_name_and_a_table_of_its_numbers() -> None:
    page = report_page(a_report(), "local")
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    charts = [figure for figure in figures if "<svg" in figure]
    assert len(charts) == 2 + len(a_report().phases)
    for chart in charts:
        assert re.search(r'<svg[^>]*role="img"[^>]*aria-label="[^"]+"', chart)
        assert ("<table" in chart) is not ('class="calendar"' in chart)  # which has the numbers of the chart above it
    assert page.count("<h1") == 1


def test_a_page_of_one_night_without_anything_due() -> None:
    page = report_page(a_report(1), "local")
    assert "Report 2024-01-03 to 2024-01-03" in page
    Tags(page)
