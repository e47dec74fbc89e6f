"""Keyboard and screen reader: where one is stays where one is, while everything around it is drawn anew."""

from __future__ import annotations

import re
import urllib.parse

from playwright.sync_api import Page, expect

from demo.servers import wait_until
from tests.browser.conftest import SETTLED, Site, Visit

CONTROLS = "document.querySelector('.cn-controls').closest('.cn-root')"
DRAWN = "#cockpit .js-plotly-plot .scatterlayer"
FOCUS = "document.activeElement.dataset.focus"


def open_live(visit: Visit, site: Site) -> None:
    visit.page.goto(f"{site.url}/?range=1h&refresh=1s")
    visit.page.wait_for_selector(DRAWN, state="attached")
    visit.page.wait_for_function(SETTLED)


def test_the_range_is_chosen_by_arrow_keys_without_losing_the_place(visit: Visit, site: Site) -> None:
    open_live(visit, site)
    visit.page.locator("input[name=cn-range][value='1h']").focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_url(re.compile("range=6h"))
    visit.page.wait_for_selector("label.cn-on:has(input[value='6h'])")
    assert visit.page.evaluate(FOCUS) == "range-6h"


def test_a_series_is_hidden_by_the_keyboard_also_in_the_link_and_shown_again(visit: Visit, site: Site) -> None:
    open_live(visit, site)
    name = visit.page.locator("#cockpit .cn-legend").first
    name.focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#cockpit .cn-legend:focus[aria-pressed=false]")

    visit.page.reload()
    expect(name).to_have_attribute("aria-pressed", "false")
    name.focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#cockpit .cn-legend:focus[aria-pressed=true]")
    assert "hidden" not in visit.page.url


def test_the_file_follows_the_screen_while_its_button_is_at_hand(visit: Visit, site: Site) -> None:
    open_live(visit, site)
    visit.page.locator("#cockpit summary", has_text="Export").focus()

    def last_time() -> str:
        """Of the first file that the opened panel offers."""
        visit.page.keyboard.press("Enter")
        href = visit.page.locator("#cockpit details[open] a").first.get_attribute("href") or ""
        visit.page.keyboard.press("Enter")
        return urllib.parse.parse_qs(urllib.parse.urlsplit(href).query)["to"][0]

    first = last_time()
    wait_until(lambda: last_time() > first, "a later file")
    assert visit.page.evaluate(FOCUS) == "Export"
    assert visit.errors == []


def run_again(page: Page) -> None:
    """The page's script runs as a whole, as it does at any time by itself."""
    drawn = page.evaluate(f"{CONTROLS}.drawnAt")
    page.evaluate(f"{CONTROLS}.send({{}})")
    page.wait_for_function(f"(at) => {CONTROLS}.drawnAt > at", arg=drawn)


def test_what_is_open_and_typed_above_a_page_stays_while_the_page_runs_again(visit: Visit, site: Site) -> None:
    page = visit.page
    open_live(visit, site)
    page.locator(".cn-custom > summary").click()
    page.get_by_label("From").fill("2026-03-01T10:00:01")
    page.locator(".cn-share > summary").click()
    page.get_by_label("Kept for").select_option("1y")
    run_again(page)

    expect(page.get_by_label("From")).to_have_value("2026-03-01T10:00:01")
    expect(page.get_by_label("From")).to_be_visible()
    expect(page.get_by_label("Kept for")).to_have_value("1y")
    assert visit.errors == []


def test_escape_closes_any_panel_and_goes_back_to_its_word(visit: Visit, site: Site) -> None:
    page = visit.page
    open_live(visit, site)
    for opened in (".cn-custom", ".cn-share", "#cockpit .cn-buttons details:has-text('Export')"):
        page.locator(f"{opened} > summary").click()
        page.locator(f"{opened} .cn-panel").locator("input, button, a").first.focus()
        page.keyboard.press("Escape")
        expect(page.locator(f"{opened}[open]")).to_have_count(0)
        expect(page.locator(f"{opened} > summary")).to_be_focused()
    assert visit.errors == []


def test_a_part_that_is_gone_after_an_update_says_so(visit: Visit, site: Site) -> None:
    page = visit.page
    open_live(visit, site)
    for name, opened in (("export.js", "#cockpit .cn-buttons details:has-text('Export')"), ("share.js", ".cn-share")):
        page.route(f"**/{name}", lambda route: route.fulfill(status=404))
        page.locator(f"{opened} > summary").click()
        expect(page.locator(opened)).to_contain_text("This part did not load. Reload the page.")
    assert visit.errors == []
