"""The Queues pages in a real browser, over real queues: what is flagged, where it leads, and what the URL keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from playwright.sync_api import expect

from demo.servers import Dashboard, Prometheus, Redis
from tests.browser.conftest import Site, Visit

FORGOTTEN = "<b>forgotten</b>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A broker with a queue that nobody consumes: three messages of two priorities. It is there before the dashboard,
    which looks for new exchanges only every few minutes.
    """
    folder = tmp_path_factory.mktemp("queues")
    with Redis(folder / "redis") as redis, Prometheus(folder / "prometheus") as prometheus:
        with Celery(broker=redis.url, set_as_current=False) as app:
            app.send_task("shop.mail", ("x" * 300,), queue=FORGOTTEN)
            app.send_task("shop.mail", queue=FORGOTTEN, priority=9)
            app.send_task("shop.report", queue=FORGOTTEN, eta=datetime.now(UTC) + timedelta(hours=2))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "PUBLIC_URL": ""}
        with Dashboard(folder, env) as dashboard:
            yield Site(dashboard, prometheus, redis)


def test_a_forgotten_queue_is_found_and_looked_into_by_clicks_alone(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/queues?range=15m&refresh=2s")
    expect(page.locator(".cn-headline h1")).to_contain_text(f"{FORGOTTEN} is consumed by nobody")
    row = page.locator("#queues tbody tr", has_text=FORGOTTEN)
    expect(row).to_contain_text("nobody consumes it")
    expect(row.locator(".cn-steps")).to_have_attribute("aria-label", "0: 2, 9: 1")
    expect(page.locator("#leftovers .cn-empty")).to_contain_text("Nothing is left behind")

    link = row.get_by_role("link", name=FORGOTTEN)
    link.focus()
    with Celery(broker=site.redis.url, set_as_current=False) as app:
        app.send_task("shop.mail", queue=FORGOTTEN)
    expect(row.locator(".cn-steps")).to_have_attribute("aria-label", "0: 3, 9: 1")
    expect(link).to_be_focused()  # though its table was drawn anew

    # Between the press and the release of a real click the table may be drawn anew, and the click be lost.
    page.locator("#queues th button", has_text="ready").dispatch_event("click")
    page.wait_for_url(re.compile("queues.sort=-ready"))
    row.get_by_text(FORGOTTEN).dispatch_event("click")
    page.wait_for_url(re.compile("/queue\\?"))
    expect(page.locator("#xray tbody tr", has_text="shop.mail")).to_contain_text("75 %")
    expect(page.locator("#messages tbody tr")).to_have_count(4)
    expect(page.locator("#consumers")).to_contain_text("No worker that was seen here consumes it")

    page.goto(page.url)  # the link is the view
    expect(page.locator("#messages tbody tr")).to_have_count(4)
    assert visit.errors == []
    assert visit.foreign == []


def test_a_queue_that_is_not_there_is_no_error_and_without_a_name_all_are_shown(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/queue?name=nowhere")
    expect(page.locator(".cn-headline h1")).to_have_text("There is no queue nowhere")
    page.goto(f"{site.url}/queue")
    expect(page.locator("#queues h2")).to_have_text("Which queue?")
    assert visit.errors == []
