"""The Setup page in a real browser: from the menu and a source's chip, what is off with its setting, and as a file."""

from __future__ import annotations

import csv
import io
import re

from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit, fits

HERE = "nav a[aria-current=page]"


def test_what_is_connected_and_what_is_off_stand_on_one_page(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/queues?range=15m")
    page.locator(".cn-sources a", has_text="Prometheus").dispatch_event("click")
    page.wait_for_url(re.compile(r"/setup\?.*range=15m"))
    expect(page.locator(HERE)).to_have_text("Setup")

    rows = page.locator("#connected tbody tr")
    expect(rows.filter(has_text="Prometheus")).to_contain_text(f"127.0.0.1:{site.prometheus.port}")
    expect(rows.filter(has_text="Redis")).to_contain_text("answers")
    expect(rows.filter(has_text="Task exporter")).to_contain_text("celery-exporter")
    expect(rows.filter(has_text="Containers")).to_contain_text("1 container")
    off = page.locator("#off")
    expect(off).to_contain_text("CELERY_WORKERS_EXPECTED=")
    expect(off).to_contain_text("Prometheus has none")  # of hosts
    expect(page.locator(".cn-headline h1")).to_contain_text("Everything configured answers; ")
    expect(page.locator("#history")).to_contain_text("by a dashboard, with which it ends")
    expect(page.locator("#history")).to_contain_text(str(site.dashboard.log.parent / "history"))

    page.locator("#off summary", has_text="Export").click()
    with page.expect_download() as download:
        page.locator("#off .cn-panel a", has_text="CSV").click()
    told = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert {row["state"] for row in told} <= {"off", "partly"}
    assert "CELERY_WORKERS_EXPECTED=mail@*" in {row["setting"] for row in told}
    assert visit.errors == []
    assert visit.foreign == []


def test_a_phone_has_the_page_and_the_menu_in_two_lines(visit: Visit, site: Site) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.url}/setup")
    expect(page.locator("#off")).to_contain_text("CELERY_WORKERS_EXPECTED=")
    fits(page, 390)
    tops = page.evaluate("() => [...document.querySelectorAll('.cn-menu a')].map((link) => link.offsetTop)")
    assert len(set(tops)) == 2


def test_a_snapshot_keeps_what_was_off_and_where_the_history_was(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/setup?range=15m")
    expect(page.locator("#history")).to_contain_text("by a dashboard, with which it ends")
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Make a snapshot").click()
    made = page.locator(".cn-made")
    expect(made).to_contain_text("Made. Kept until")
    kept = made.get_by_role("link").first.get_attribute("href") or ""
    page.goto(f"{site.url}{kept.removeprefix(site.url)}")

    expect(page.locator(".cn-kept")).to_contain_text("Snapshot of Setup, made 20")
    expect(page.locator(".cn-headline h1")).to_contain_text("Everything configured answers; ")
    expect(page.locator("#off")).to_contain_text("CELERY_WORKERS_EXPECTED=mail@*")
    expect(page.locator("#history")).to_contain_text(str(site.dashboard.log.parent / "history"))
    assert visit.errors == []
