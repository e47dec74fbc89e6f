"""From page to page: what all pages share comes along, and nothing is loaded anew."""

from __future__ import annotations

import re
import urllib.parse

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit

HERE = "nav a[aria-current=page]"
SHARED = {"range": "6h", "refresh": "10s", "cluster": "default", "tz": "UTC"}


def open_overview(visit: Visit, site: Site) -> Page:
    visit.page.goto(f"{site.url}/?{urllib.parse.urlencode(SHARED)}")
    visit.page.wait_for_selector("#queues .cn-table")
    visit.page.evaluate("window.here = true")
    return visit.page


def go(page: Page, title: str) -> None:
    page.locator("nav.cn-menu").get_by_text(title, exact=True).click()
    expect(page.locator(HERE)).to_have_text(title)


def params(page: Page) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))


def test_the_range_the_rhythm_the_cluster_and_the_zone_come_along(visit: Visit, site: Site) -> None:
    page = open_overview(visit, site)
    go(page, "Workers")

    page.wait_for_url(re.compile("/workers"))
    assert params(page) == SHARED
    assert page.evaluate("window.here")  # the same document
    assert visit.errors == []


def test_what_belongs_to_one_page_stays_there(visit: Visit, site: Site) -> None:
    page = open_overview(visit, site)
    page.locator("#queues th button").first.click()
    page.wait_for_url(re.compile("queues.sort"))
    go(page, "Queues")

    page.wait_for_url(re.compile("/queues"))
    assert params(page) == SHARED


def test_the_order_of_a_table_is_the_addresss(visit: Visit, site: Site) -> None:
    page = open_overview(visit, site)
    page.locator("#queues th button").first.click()
    expect(page.locator("#queues th").first).to_have_attribute("aria-sort", "ascending")
    page.locator("nav.cn-menu").get_by_text("Overview", exact=True).click()  # without it, to the same page

    page.wait_for_url(lambda url: "queues.sort" not in url)
    expect(page.locator("#queues th").first).to_have_attribute("aria-sort", "none")


def test_where_there_is_no_cell_none_is_taken_into_a_notebook(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/task")
    expect(page.locator(".cn-lookup")).to_be_visible()
    button = page.locator(".cn-open-as")
    button.evaluate(
        """(node) => {
            window.said = [];
            new MutationObserver(() => said.push(node.textContent)).observe(node, { childList: true });
        }"""
    )
    button.click()

    page.wait_for_function("() => said[0] === 'No cell here to open'")  # for a moment alone
    assert page.url == f"{site.url}/task"
    expect(button).to_have_text("Open as notebook")


def test_a_phone_changes_the_times_of_a_frozen_link(visit: Visit, site: Site) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.url}/queues?from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z&tz=UTC")
    chosen = page.get_by_role("combobox", name="Range")
    expect(chosen.locator("option:checked")).to_have_text("2026-03-01 10:00 – 2026-03-01 11:00")
    chosen.select_option("custom")
    expect(page.get_by_label("From")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("From")).to_be_hidden()
    chosen.select_option("custom")  # once more
    page.get_by_label("To", exact=True).fill("2026-03-01T12:00:00")
    page.get_by_role("button", name="Show").click()

    page.wait_for_url(re.compile("to=2026-03-01T12"))


def test_the_way_back_is_the_browsers(visit: Visit, site: Site) -> None:
    page = open_overview(visit, site)
    go(page, "Queues")
    page.wait_for_url(re.compile("/queues"))
    page.go_back()

    expect(page.locator(HERE)).to_have_text("Overview")
    page.wait_for_selector("#cockpit")


def test_the_way_back_leads_to_the_page_as_it_was_left(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/queues?range=15m&queue=celery&queue=mail")
    before = page.url
    page.wait_for_selector("#queues a[data-page]")

    page.locator("#queues a[data-page^='/queue?']").first.click()
    page.wait_for_url("**/queue?*")
    page.wait_for_selector("#facts")
    page.go_back()

    page.wait_for_url(before)
    expect(page.locator(HERE)).to_have_text("Queues")
    page.go_forward()
    page.wait_for_url("**/queue?*")
    assert visit.errors == []


def test_a_link_is_whole_for_another_tab_after_the_range_changed(visit: Visit, site: Site) -> None:
    page = open_overview(visit, site)
    page.locator("label:has(input[name=cn-range][value='24h'])").click()
    page.wait_for_url(re.compile("range=24h"))
    link = page.locator("nav.cn-menu").get_by_text("Queues", exact=True)
    link.focus()

    assert dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link.get_attribute("href") or "").query)) == {
        **SHARED,
        "range": "24h",
    }


def test_the_page_of_one_thing_marks_where_it_is_found(visit: Visit, site: Site) -> None:
    visit.page.goto(f"{site.url}/worker?name=w1%40shop")

    expect(visit.page.locator(HERE)).to_have_text("Workers")
