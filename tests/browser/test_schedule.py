"""The Schedule page in a real browser, over RedBeat's own records and tasks that were really sent."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.schedules import crontab
from playwright.sync_api import expect
from redbeat import RedBeatSchedulerEntry

from demo.servers import wait_until
from tests.asking import exported
from tests.browser.conftest import Site, Visit, fits

HOSTILE = "<img src=x onerror=window.__xss=1>"


@pytest.fixture(scope="module")
def ran(site: Site) -> Iterator[str]:
    """The id of a task that stands for a run of the entry "each minute"; the entries go with the tests."""
    with Celery(broker=site.redis.url, set_as_current=False) as app:
        app.conf.redbeat_redis_url = site.redis.url
        weekdays = crontab(minute=30, hour=18, day_of_week="mon-fri")
        entries = [
            RedBeatSchedulerEntry("each minute", "shop.refresh_token", crontab(), app=app),
            RedBeatSchedulerEntry("weekdays", "shop.weekly", weekdays, app=app),  # a task that nothing sends
            RedBeatSchedulerEntry(HOSTILE, HOSTILE, 60.0, enabled=False, app=app),
        ]
        for entry in entries:
            entry.save()
        app.control.enable_events(reply=True, timeout=60, limit=1)
        id = app.send_task("shop.refresh_token").id

        def seen() -> bool:
            rows = exported(site.url, source="schedule", name="each minute")
            return any(block["id"] == id for row in rows for block in row["runs"])

        wait_until(seen, "the run in the schedule")
        yield id
        app.control.disable_events(reply=True, timeout=60, limit=1)
        for entry in entries:
            entry.delete()


def test_a_schedule_is_told_in_words_and_a_run_leads_to_its_task(visit: Visit, site: Site, ran: str) -> None:
    page = visit.page
    page.goto(f"{site.url}/schedule?range=1h")
    rows = page.locator("#entries tbody tr")
    minute, weekdays = rows.filter(has_text="each minute"), rows.filter(has_text="weekdays")
    expect(minute).to_contain_text("every minute")
    expect(weekdays).to_contain_text("Mondays to Fridays at 18:30 UTC")
    expect(weekdays).to_contain_text("RedBeat")
    expect(page.locator(".cn-headline h1")).to_be_visible()
    expect(page.locator("#load .cn-hour")).to_have_count(24)

    apart = page.locator("#entries details.cn-apart")
    apart.locator("summary").click()
    expect(apart.locator("tbody")).to_contain_text(HOSTILE)
    assert page.evaluate("() => window.__xss") is None

    page.locator("#entries summary", has_text="Export").click()
    with page.expect_download() as download:
        page.locator("#entries .cn-panel a", has_text="CSV").click()
    told = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert {row["name"].lstrip("'") for row in told} == {"each minute", "weekdays", HOSTILE}
    assert "range=1h" in download.value.url

    block = minute.locator(f'.cn-due-times a[href*="{ran}"]')
    expect(block).to_have_attribute("title", re.compile(r"SUCCESS"))
    block.click()
    page.wait_for_url(re.compile(rf"/task\?.*id={ran}"))
    assert visit.errors == []
    assert visit.foreign == []


def test_one_entry_has_a_link_and_a_phone_shows_it(visit: Visit, site: Site, ran: str) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.url}/schedule?name=weekdays")
    expect(page.locator("#entries tbody tr")).to_have_count(1)
    expect(page.locator("#entries tbody")).to_contain_text("never seen")
    fits(page, 390)
