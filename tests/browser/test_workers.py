"""The Workers pages in a real browser: a verdict opens to its evidence, and a link leads to all of one worker."""

from __future__ import annotations

import re
import urllib.parse

import pytest
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


# A cell of one row, or whose answer is awaited (""), drawn at an address, where it stood or in a new place, or not
# there (null); what it shows then. A place is left when the address is the new one, as Streamlit does it.
DRAWN = """given.map(([address, row, anew]) => {
    history.replaceState(history.state, "", address);
    if (anew || row === null) window.leave?.();
    window.leave = null;
    if (row === null) return row;
    if (anew) {
        window.place = document.createElement("div");
        place.innerHTML = '<div class="cn-root"></div>';
        place.style = "position: fixed; inset: 0; z-index: 10000000";
        document.body.append(place);
    }
    const columns = [{ name: "id", label: "id", kind: "text" }];
    const table = { columns, rows: [[row]], apart: [], empty: [] };
    const data = { name: "one", title: "", line: "", pending: !row, rows: [], table: row ? table : null };
    window.leave = m.draw({ data, parentElement: place, setTriggerValue() {} });
    return place.querySelector("td")?.textContent ?? "";
})"""
AT_A, AT_B = "/worker?name=a", "/worker?name=b"


def drawn(page: Page, *cells: tuple[str, str | None, bool]) -> list[str | None]:
    return list(in_module(page, "cell.js", DRAWN, cells))


def test_of_another_worker_nothing_of_the_one_before_stands_there(visit: Visit, site: Site) -> None:
    page = visit.page
    open_workers(page, site, refresh="0")
    assert drawn(page, (AT_A, "of a", True), (AT_B, "", False)) == ["of a", ""]
    assert drawn(page, (AT_A, "of a", True), ("/workers", None, False), (AT_B, "", True)) == ["of a", None, ""]
    assert drawn(page, ("/task?id=a", "of a", True), ("/task?id=b", "", True)) == ["of a", ""]
    # Of another range or filter what was there stays until the answer comes.
    assert drawn(page, (AT_A, "of a", True), (f"{AT_A}&range=6h", "", False)) == ["of a", "of a"]
    assert drawn(page, ("/tasks?name=a", "of a", True), ("/tasks?name=b", "", False)) == ["of a", "of a"]


def test_of_another_notebook_neither_while_a_cell_moves_within_its_own(visit: Visit, site: Site) -> None:
    page = visit.page
    open_workers(page, site, refresh="0")
    # The first change makes a draft.
    assert drawn(page, ("/notebook?id=a", "of a", True), ("/notebook?draft=b", "", True)) == ["of a", "of a"]
    left = ("/notebooks", None, False), ("/notebook?draft=c", "", True)
    assert drawn(page, ("/notebook?draft=b", "of b", True), *left) == ["of b", None, ""]


@pytest.mark.parametrize("by", ["key", "pointer"])
def test_what_comes_during_a_press_is_drawn_when_that_has_ended_however_it_ends(
    visit: Visit, site: Site, by: str
) -> None:
    page = visit.page
    open_workers(page, site, refresh="0")
    drawn(page, (AT_A, "before", True))
    button, row = page.locator("#one th button"), page.locator("#one td")
    # As where a scroll or another window ends the press.
    page.evaluate("addEventListener('pointerup', (event) => event.stopImmediatePropagation(), true)")
    button.focus() if by == "key" else button.hover()
    page.keyboard.down("Space") if by == "key" else page.mouse.down()
    page.wait_for_selector("#one th button:active")
    assert drawn(page, (AT_A, "after", False)) == ["before"]

    page.keyboard.up("Space") if by == "key" else page.mouse.up()

    expect(row).to_have_text("after")
    expect(page.locator("#one th")).to_have_attribute("aria-sort", "ascending")  # and it was a click
