"""Keyboard and screen reader: where one is stays where one is, while everything around it is drawn anew."""

from __future__ import annotations

import re
import urllib.parse

from playwright.sync_api import expect

from demo.servers import wait_until
from tests.browser.conftest import Site, Visit

DRAWN = "#cockpit .js-plotly-plot .scatterlayer"
FOCUS = "document.activeElement.dataset.focus"


def open_live(visit: Visit, site: Site) -> None:
    visit.page.goto(f"{site.url}/?range=1h&refresh=1s")
    visit.page.wait_for_selector(DRAWN, state="attached")


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
