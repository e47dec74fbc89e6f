"""The page of one task in a real browser: opened from its link alone, it shows what was recorded."""

from __future__ import annotations

import math
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from playwright.sync_api import Browser, Page, expect

from demo.servers import wait_until
from tests.asking import exported
from tests.browser.conftest import Site, Visit, fits, opened

BERLIN = ZoneInfo("Europe/Berlin")  # of the browser


def recorded(site: Site, id: str, source: str = "task") -> list[dict[str, Any]]:
    """What the export says of it."""
    return exported(site.url, source=source, id=id)


@pytest.fixture(scope="module")
def sent(site: Site) -> Iterator[list[str]]:
    """The ids of two tasks that succeeded, and one that failed: it was given what it does not take."""
    with Celery(broker=site.redis.url, set_as_current=False) as app:
        app.control.enable_events(reply=True, timeout=60, limit=1)
        ids = [app.send_task("shop.sleep", args).id for args in ([0.3], [0.1], ["<b>soon</b>"])]
        wait_until(lambda: [state(site, id) for id in ids] == ["SUCCESS", "SUCCESS", "FAILURE"], "the tasks")
        yield ids
        app.control.disable_events(reply=True, timeout=60, limit=1)


def state(site: Site, id: str) -> str | None:
    return next((row["state"] for row in recorded(site, id)), None)


def open_task(page: Page, site: Site, **params: str) -> None:
    page.goto(f"{site.url}/task?{urllib.parse.urlencode(params)}")
    page.wait_for_selector(".cn-headline h1")


def fact(page: Page, label: str) -> str:
    return page.locator("#facts dt", has_text=label).first.locator("xpath=following-sibling::dd[1]").inner_text()


def shown(moment: str) -> str:
    """As the page shows it, in the browser's zone."""
    at = datetime.fromisoformat(moment).astimezone(BERLIN)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def spoken(seconds: float) -> str:
    """As the page says it, of less than a minute."""
    if seconds < 1:
        return f"{math.floor(seconds * 1000 + 0.5)} ms"  # as JavaScript rounds
    return f"{seconds:.1f} s" if seconds < 10 else f"{round(seconds)} s"


def test_a_link_shows_what_was_recorded_in_the_viewers_zone(visit: Visit, site: Site, sent: list[str]) -> None:
    page, (row,) = visit.page, recorded(site, sent[0])
    open_task(page, site, id=sent[0])

    expect(page.locator("h1")).to_contain_text(f"shop.sleep succeeded after {spoken(row['runtime'])}")
    expect(page.locator("#facts")).to_contain_text(sent[0])
    moments = {"received": row["received"], "started": row["started"], "ended": row["finished"]}
    assert {label: fact(page, label) for label in moments} == {label: shown(at) for label, at in moments.items()}
    assert fact(page, "runtime") == spoken(row["runtime"])
    parts = page.locator("#timeline .cn-parts li")
    expect(parts.first).to_contain_text("not known")  # nobody told when it was sent
    expect(parts.last).to_contain_text(f"{shown(row['started'])} to {shown(row['finished'])}")
    assert visit.errors == []
    assert visit.foreign == []

    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector("#comparison .cn-comparison")
    fits(page, 390)


def test_from_the_overview_to_the_one_task_by_clicks_alone_and_its_link_opens_for_a_stranger(
    visit: Visit, site: Site, browser: Browser, sent: list[str]
) -> None:
    page = visit.page
    page.goto(f"{site.url}/?range=6h&refresh=0")
    page.locator(".cn-headline a", has_text="failed").click()
    page.wait_for_url(lambda url: "/tasks?" in url)
    params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))
    assert (params["state"], params["range"]) == ("FAILURE", "6h")

    page.locator("#tasks tbody tr", has_text="TypeError").locator("td a").first.click()
    page.wait_for_url(lambda url: f"id={sent[2]}" in url)
    expect(page.locator("h1")).to_contain_text("shop.sleep failed")

    stranger = opened(browser)
    other = stranger.new_page()
    other.goto(page.url)
    expect(other.locator("#facts")).to_contain_text("TypeError")
    stranger.close()
    assert visit.errors == []


def test_from_a_failure_to_its_comparison_and_to_another_run_by_clicks_alone(
    visit: Visit, site: Site, sent: list[str]
) -> None:
    page = visit.page
    open_task(page, site, id=sent[2], range="15m")

    expect(page.locator("h1")).to_contain_text("shop.sleep failed")
    expect(page.locator("#facts")).to_contain_text("TypeError")
    expect(page.locator("#facts")).to_contain_text("<b>soon</b>")
    expect(page.locator("#comparison tr.cn-differs", has_text="arguments")).to_contain_text("<b>soon</b>")
    assert page.locator("#facts b").count() == 0  # names and texts from outside are no markup

    page.locator("#runs tr", has_text="SUCCESS").first.get_by_role("link", name="compare").click()
    page.wait_for_url(lambda url: "with=" in url)
    params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))
    assert (params["id"], params["range"]) == (sent[2], "15m")
    assert params["with"] in sent[:2]
    expect(page.locator("#comparison")).to_contain_text(params["with"])

    page.locator("#runtimes a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: sent[2] not in url)
    expect(page.locator("h1")).to_contain_text("shop.sleep succeeded")


def test_without_an_id_it_asks_for_one_and_one_that_nobody_knows_teaches(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/task?range=6h")
    field = page.get_by_role("searchbox", name="Which task?")
    field.fill(" no such&task ")
    field.press("Enter")
    page.wait_for_url(lambda url: "id=" in url)

    expect(page.locator("h1")).to_have_text("No task no such&task is recorded")
    expect(page.locator(".cn-headline ~ p").first).to_contain_text("HISTORY_KEEP")
    expect(page.locator("#facts")).to_contain_text("no worker that answered")
    expect(page.locator("#runs")).to_be_hidden()
    assert "range=6h" in page.url
