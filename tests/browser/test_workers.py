"""The Workers pages in a real browser: a verdict opens to its evidence, and a link leads to all of one worker."""

from __future__ import annotations

import re
import urllib.parse

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit, fits, in_module

WORKER = "w1@shop"


def open_workers(page: Page, site: Site, **params: str) -> None:
    page.goto(f"{site.url}/workers?{urllib.parse.urlencode({'refresh': '1s', **params})}")
    page.wait_for_selector("#workers .cn-unfolds")


def refreshed(page: Page) -> None:
    """Waits until a newer answer is drawn."""
    measured = page.evaluate("() => document.querySelector('#workers').cell.rows[0].measured_at")
    page.wait_for_function("(at) => document.querySelector('#workers').cell.rows[0].measured_at > at", arg=measured)


def test_a_verdict_opens_to_its_evidence_and_stays_open_over_refreshes(visit: Visit, site: Site) -> None:
    page = visit.page
    open_workers(page, site)
    expect(page.locator("#workers span.cn-verdict").first).to_have_text("idle")
    # Between the press and the release of a real click the table may be drawn anew, and the click be lost.
    page.locator("#workers .cn-unfolds summary").first.dispatch_event("click")
    evidence = page.locator("#workers .cn-unfolds dl")
    expect(evidence).to_contain_text("comes every 2 s; the last")
    expect(evidence).to_contain_text("0 of 1 slots run a task")

    refreshed(page)

    expect(page.locator("#workers .cn-unfolds[open] dl")).to_contain_text("the last came")
    assert visit.errors == []
    assert visit.foreign == []


def test_from_all_workers_by_a_click_to_one_and_its_link_opens_alone(visit: Visit, site: Site) -> None:
    page = visit.page
    open_workers(page, site, range="6h", refresh="0")
    expect(page.locator(".cn-headline h1")).to_contain_text("The only worker")
    expect(page.locator("#differences")).to_contain_text("1 worker has told its configuration")
    page.locator("#workers th button", has_text="processed").click()
    page.wait_for_url(re.compile("workers.sort=-processed"))

    page.locator("#workers td a", has_text=WORKER).first.click()

    page.wait_for_url(re.compile(r"/worker\?.*name=w1%40shop"))
    assert "range=6h" in page.url
    expect(page.locator(".cn-headline h1")).to_contain_text(WORKER)
    expect(page.locator("#conf")).to_contain_text("control_exchange")
    expect(page.locator("#active")).to_contain_text("It runs nothing now")
    expect(page.locator("#limits")).to_contain_text("100/s")
    expect(page.locator("#stats")).to_contain_text("solo")
    assert visit.errors == []


def test_of_many_names_the_first_are_shown_and_the_others_counted(visit: Visit, site: Site) -> None:
    open_workers(visit.page, site)
    column = '{ name: "queues", kind: "names" }'
    draw = f'document.body.prepend(m.drawValue(document.createElement("td"), given, {column}, "w1"))'
    in_module(visit.page, "values.js", draw, [f"<b>{number}" for number in range(14)])
    drawn = visit.page.locator("body > .cn-kind-names")
    expect(drawn.locator(".cn-chip")).to_have_text([f"<b>{number}" for number in range(12)])

    drawn.locator("summary", has_text="and 2 more").press("Enter")

    expect(drawn.locator(".cn-chip")).to_have_text([f"<b>{number}" for number in range(14)])
    expect(drawn.locator("b")).to_have_count(0)
    in_module(visit.page, "values.js", draw, [f"<b>{number}" for number in range(14)])  # as a refresh does
    expect(drawn.first.locator("[open] .cn-chip")).to_have_count(2)


def test_an_age_grows_without_a_refresh(visit: Visit, site: Site) -> None:
    open_workers(visit.page, site, refresh="0")
    expect(visit.page.locator("#workers [data-moment]").last).to_have_text(re.compile("[0-9] s ago"))


def test_without_a_name_one_is_chosen_and_a_wrong_one_is_told(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/worker")
    expect(page.locator("#workers td a", has_text=WORKER).first).to_be_visible()

    page.goto(f"{site.url}/worker?{urllib.parse.urlencode({'name': '<b>nobody</b>'})}")

    expect(page.locator(".cn-headline h1")).to_contain_text("No worker of this name was seen")
    assert page.locator(".cn-cell b").count() == 0


def test_a_phone_shows_both_without_scrolling_sideways(visit: Visit, site: Site) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    open_workers(page, site, refresh="0")
    page.locator("#workers .cn-unfolds summary").first.click()
    fits(page, 390)

    page.goto(f"{site.url}/worker?{urllib.parse.urlencode({'name': WORKER})}")
    page.wait_for_selector("#conf .cn-table")

    fits(page, 390)


def test_a_press_that_a_refresh_comes_in_the_midst_of_is_a_click(visit: Visit, site: Site) -> None:
    page = visit.page
    open_workers(page, site)
    expect(page.locator(".cn-headline h1")).to_contain_text("The only worker")
    page.locator("#workers td a", has_text=WORKER).first.hover()
    page.mouse.down()
    refreshed(page)
    page.mouse.up()
    page.wait_for_url(re.compile(r"/worker\?.*name=w1%40shop"))
