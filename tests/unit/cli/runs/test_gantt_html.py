from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from nbactl.cli.runs.gantt_html import gantt_page
from nbactl.cli.show.markup import Html, tag
from tests.kit.run_records import MIXED, at, run, task

VOID = {"meta", "br", "link", "img"}


class Structure(HTMLParser):
    """Collects elements and text, and fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


def page() -> Structure:
    return Structure(gantt_page([(MIXED, "running")], at(2.6)))


def test_every_task_has_a_row_with_its_state_in_words() -> None:
    shown = page()
    heads = [attributes for attributes in shown.all("th") if attributes.get("scope") == "row"]
    assert len(heads) == len(MIXED.tasks) + 1, "one more for how many ran at once"
    text = " ".join(shown.text)
    for each in MIXED.tasks:
        assert each.name in text
    for word in ("✓ succeeded", "✗ failed", "○ no data", "▸ running", "- skipped", "(optional)", "229"):
        assert word in text


def test_bars_stand_where_the_times_say() -> None:
    bars = [attributes["style"] for attributes in page().all("div") if attributes.get("class") == "bar"]
    assert bars[0] == "left:0.769%;width:15.000%"
    assert len(bars) == 4, "carried and skipped tasks have no bar"
    for style in bars:
        left, width = (float(number) for number in re.findall(r"([\d.]+)%", style or ""))
        assert 0 <= left <= 100
        assert left + width <= 100.001


def test_text_from_the_ledger_is_never_markup() -> None:
    source = gantt_page([(MIXED, "running")], at(2.6))
    assert "<b>" not in source
    assert "<pid 17>" not in source
    assert "&lt;pid 17&gt;" in source
    evil = run(task('x"><script>alert(1)</script>', "succeeded", 0, 1), source="</style><script>")
    hostile = Structure(gantt_page([(replace(evil, name="<script>"), "succeeded")], at(2)))
    assert hostile.all("script") == []
    assert len(hostile.all("style")) == 1


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    shown = page()
    assert {"script", "img", "iframe"} & {element for element, _ in shown.elements} == set()
    assert shown.all("link") == [{"rel": "icon", "href": "data:,"}]  # so that no browser asks for an icon
    others = [attributes for element, attributes in shown.elements if element != "link"]
    assert not any(name in attributes for attributes in others for name in ("src", "href", "onclick"))
    assert "url(" not in gantt_page([(MIXED, "running")], at(2.6))
    policies = [meta["content"] for meta in shown.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_is_accessible_and_has_two_colour_schemes() -> None:
    shown = page()
    assert shown.all("html") == [{"lang": "en"}]
    assert len(shown.all("caption")) == 1
    assert len(shown.all("title")) == 1
    assert all(attributes.get("aria-label") for _, attributes in shown.elements if attributes.get("role") == "img")
    assert "color-scheme: light dark" in "".join(shown.text)


def test_errors_are_reported_with_cause_and_traceback() -> None:
    text = " ".join(page().text)
    for part in ("held by <pid 17>", "another writer", "Wait for it.", "boom & <b>bold</b>"):
        assert part in text


def test_a_tag_escapes_what_is_not_markup() -> None:
    assert tag("p", "a<b", Html("<i>"), title='"') == '<p title="&quot;">a&lt;b<i></p>'
