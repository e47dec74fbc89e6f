"""Explore in a real browser: written with suggestions, run, drawn, explained; and the URL is the view."""

from __future__ import annotations

import re
import urllib.parse
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from data_sources.scope import iso
from tests.browser.conftest import END, Site, Visit, fits, in_module

PAST = {"from": iso(END - timedelta(hours=1)), "to": iso(END), "refresh": "2s"}
DRAWN = "#explored .js-plotly-plot .scatterlayer"
BY_NAME = "sum by (name) (rate(celery_task_succeeded_total[5m]))"
# Each text with the kinds of its tokens that are not spaces.
TOKENS = [
    ("up", "metric"),
    (BY_NAME,
     "function keyword bracket label bracket bracket function bracket metric bracket duration bracket bracket bracket"),
    ('{job="a\\"b", x=~`c`}', "bracket label operator string comma label operator string bracket"),
    ("sum(a) by (le) # why", "function bracket metric bracket keyword bracket label bracket comment"),
    ("a / on (b) group_left (c) d > bool 1.5e-3",
     "metric operator keyword bracket label bracket keyword bracket label bracket metric operator keyword number"),
    ("rate(a:b[1h30m:15s] offset -5m)",
     "function bracket metric bracket duration comma duration bracket keyword operator duration bracket"),
    ("$queue é 🥕 'open", "variable wrong wrong string"),
    ("sum", "metric"),
    ("0x1f + Inf - rate", "number operator number operator metric"),
]  # fmt: skip
# Each text with its cursor (|), and what may be written there.
AROUND: list[tuple[str, dict[str, Any]]] = [
    ("|", {"kind": "expression", "prefix": ""}),
    ("sum(ra|)", {"kind": "expression", "prefix": "ra", "stretch": False}),
    ("sum(rate(cel|))", {"kind": "expression", "prefix": "cel", "stretch": True}),
    ("up{|}", {"kind": "label", "prefix": "", "selector": "up{}"}),
    ('up{a="b", jo|}', {"kind": "label", "prefix": "jo", "selector": 'up{a="b"}'}),
    ('up{a="b",job="x|"}', {"kind": "value", "prefix": "x", "label": "job", "selector": 'up{a="b"}'}),
    ('up{job=~"x|y|', {"kind": "value", "prefix": "y", "label": "job", "regexp": True}),
    ("sum by (na|) (rate(a[5m]) / b)", {"kind": "grouping", "prefix": "na", "metrics": ["a", "b"]}),
    ("rate(a[5|", {"kind": ""}),
    ('label_replace(up, "x|', {"kind": ""}),
    ("up # so|", {"kind": ""}),
]


def opened(page: Page, site: Site, **params: Any) -> Locator:
    """The field of the first query."""
    page.goto(f"{site.url}/explore?{urllib.parse.urlencode({**PAST, **params}, doseq=True)}")
    expect(page.locator("#library")).to_contain_text("Tasks a second, by task")
    return page.locator(".cn-promql-field").first


def asked(page: Page) -> dict[str, list[str]]:
    """The page's own parameters."""
    search = urllib.parse.urlsplit(page.evaluate("location.href")).query
    return {name: values for name, values in urllib.parse.parse_qs(search).items() if name not in PAST}


def test_any_text_has_its_tokens_and_what_may_be_written_at_the_cursor(visit: Visit, site: Site) -> None:
    opened(visit.page, site)
    texts = [text for text, _ in TOKENS]
    told = in_module(visit.page, "promql-tokens.js", "given.map((text) => m.tokens(text))", texts)
    for (text, kinds), tokens in zip(TOKENS, told, strict=True):
        assert "".join(token["text"] for token in tokens) == text
        assert " ".join(token["kind"] for token in tokens if token["kind"] != "space") == kinds, text
    cursors = [[text[: text.rindex("|")] + text[text.rindex("|") + 1 :], text.rindex("|")] for text, _ in AROUND]
    found = in_module(visit.page, "promql-tokens.js", "given.map(([text, at]) => m.around(text, at))", cursors)
    for (text, wanted), where in zip(AROUND, found, strict=True):
        assert wanted.items() <= where.items(), (text, where)


def test_a_query_is_written_with_suggestions_run_and_explained_by_keys_alone(visit: Visit, site: Site) -> None:
    page = visit.page
    field = opened(page, site)
    expect(page.locator(".cn-explore-starters li")).to_have_count(2 + 1)
    field.focus()
    page.keyboard.type("sum by (name) (rat")
    options = page.locator(".cn-promql-list [role=option]")
    expect(options.first).to_contain_text("The growth a second of a counter")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    page.keyboard.type("succ")
    expect(options.first).to_contain_text("celery_task_succeeded_total")
    page.keyboard.press("Enter")
    expect(field).to_have_value(BY_NAME)
    page.keyboard.type("{host")
    expect(options.first).to_have_text(re.compile("hostname"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.keyboard.type('"')
    expect(options).to_have_count(1)
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.type('nowhere"')
    page.keyboard.press("Control+Enter")
    expect(page.locator(".cn-explore-told")).to_contain_text("0 series, 0 samples read")
    assert asked(page) == {"q": [BY_NAME.replace("[", '{hostname="nowhere"}[')]}

    page.get_by_role("button", name="Explain").click()
    part = page.locator("#explained tbody tr").last
    expect(part).to_contain_text('no series has hostname="nowhere"; 2 have another')
    assert visit.errors == []
    assert visit.foreign == []


def test_several_queries_share_one_axis_and_the_link_is_the_view(visit: Visit, site: Site) -> None:
    page = visit.page
    field = opened(page, site, q=[BY_NAME])
    page.wait_for_selector(DRAWN, state="attached")
    page.get_by_role("button", name="Add a query").click()
    page.keyboard.type("sum(rate(celery_task_failed_total[5m]))")
    page.keyboard.press("Control+Enter")
    legend = page.locator("#explored .cn-legend")
    expect(legend).to_have_text(["A <img src=x onerror=window.__xss=1>", "A app.__main__.send", "B"])
    assert asked(page)["q"] == [BY_NAME, "sum(rate(celery_task_failed_total[5m]))"]

    page.get_by_text("Points", exact=True).click()
    expect(page.locator("#explored .scatterlayer .points path").first).to_be_attached()
    page.get_by_role("button", name="Query B: on").click()
    expect(legend).to_have_text(["<img src=x onerror=window.__xss=1>", "app.__main__.send"])
    page.get_by_text("Instant", exact=True).click()
    expect(page.locator("#values_A tbody tr")).to_have_count(2)
    expect(page.locator("#values_B")).to_have_count(0)
    shown = asked(page)
    assert shown == {
        "q": [BY_NAME, "sum(rate(celery_task_failed_total[5m]))"],
        "off": ["B"],
        "instant": ["1"],
        "chart": ["points"],
    }
    page.reload()
    expect(page.locator("#values_A tbody tr")).to_have_count(2)
    expect(field).to_have_value(BY_NAME)
    assert asked(page) == shown

    page.get_by_text("My queries").click()
    expect(page.locator(".cn-explore-old")).to_have_text([BY_NAME, "sum(rate(celery_task_failed_total[5m]))"])
    assert page.evaluate("window.__xss") is None
    assert visit.errors == []


def test_a_filter_is_in_the_link_and_its_files_say_that_they_have_all_rows(visit: Visit, site: Site) -> None:
    page = visit.page
    opened(page, site)
    rows, filtered = page.locator("#library .cn-body > .cn-scroll tbody tr"), page.get_by_label("Filter rows")
    filtered.fill("Tasks a second, by TASK")
    expect(rows).to_have_count(1)

    page.reload()
    expect(rows).to_have_count(1)
    expect(filtered).to_have_value("Tasks a second, by TASK")
    page.locator("#library summary", has_text="Export").click()
    expect(page.locator("#library .cn-foot details[open]")).to_contain_text(
        "also those without “Tasks a second, by TASK”"
    )
    filtered.press("Home")
    page.keyboard.type("a ")  # at the cursor, which stays where it is
    expect(filtered).to_have_value("a Tasks a second, by TASK")
    filtered.fill("")
    page.wait_for_function("() => !new URL(location.href).searchParams.has('library.filter')")
    expect(rows).not_to_have_count(1)


@pytest.mark.parametrize("width", [390])
def test_an_error_stands_at_its_place_and_what_is_typed_on_stays(visit: Visit, site: Site, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    field = opened(page, site, q=["sum(é)"], refresh="1s")
    expect(page.locator(".cn-promql-here")).to_have_text("é")
    expect(page.locator(".cn-promql-said")).to_have_text("unexpected character: 'é'")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("sum(rate(celery_task_received_total[5m])) by(name)")
    expect(page.locator(".cn-promql-here")).to_have_count(0)
    expect(page.locator(".cn-explore-told")).to_contain_text("changed")
    page.get_by_role("button", name="Format").click()
    expect(field).to_have_value("sum by (name) (rate(celery_task_received_total[5m]))")
    page.keyboard.press("Control+z")
    expect(field).to_have_value("sum(rate(celery_task_received_total[5m])) by(name)")
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector(DRAWN, state="attached")
    expect(page.locator(".cn-explore-told")).to_contain_text("1 series")
    fits(page, width)
    page.get_by_text("My queries").click()
    box = page.locator(".cn-explore-mine .cn-panel").bounding_box()
    assert box
    assert (box["x"] >= 0, box["x"] + box["width"] <= width) == (True, True)
    assert visit.errors == []
