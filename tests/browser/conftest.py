"""A whole dashboard on known data, and headless Chromium to look at it as a person would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from demo.servers import Dashboard, Prometheus, Redis, celery_worker, wait_until
from tests.asking import records
from tests.blocks import prometheus_with, series
from tests.chromium import chromium

ROOT = Path(__file__).resolve().parents[2]
EVERY = timedelta(seconds=15)
POINTS = 480  # two hours
PATIENCE_MS = 60_000
# Closed long ago enough that nothing changes, on whole minutes.
END = (datetime.now(UTC) - timedelta(minutes=10)).replace(second=0, microsecond=0)
START = END - EVERY * (POINTS - 1)


expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Site:
    """What runs: a dashboard, and what it looks at."""

    dashboard: Dashboard
    prometheus: Prometheus
    redis: Redis

    @property
    def url(self) -> str:
        return self.dashboard.url


def known_samples() -> str:
    """Two tasks, one of which fails at times; two containers; names that look like markup.

    They go on for two hours after END, so that whoever looks back from now sees some, however late that is.
    """
    task = {"hostname": "shop-1", "queue_name": "mail", "job": "celery", "instance": "a:1"}
    mail = {**task, "name": "app.__main__.send"}
    hostile = {**task, "name": "<img src=x onerror=window.__xss=1>"}
    return "".join(
        [
            "# TYPE celery_task_failed counter\n",
            series("celery_task_failed_total", mail, [float(k // 10) for k in range(2 * POINTS)], START, EVERY),
            "# TYPE celery_task_received counter\n",
            series("celery_task_received_total", mail, [33.0 * k for k in range(2 * POINTS)], START, EVERY),
            "# TYPE celery_task_succeeded counter\n",
            series("celery_task_succeeded_total", mail, [30.0 * k for k in range(2 * POINTS)], START, EVERY),
            series("celery_task_succeeded_total", hostile, [15.0 * k for k in range(2 * POINTS)], START, EVERY),
            "# TYPE container_memory_usage_bytes gauge\n",
            series(
                "container_memory_usage_bytes",
                {"name": "shop-1", "image": "shop", "job": "cadvisor"},
                [200e6 + 1e5 * k for k in range(2 * POINTS)],
                START,
                EVERY,
            ),
        ]
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with Redis(folder / "redis") as redis, prometheus_with(known_samples(), folder / "prometheus") as prometheus:
        env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
        worker = celery_worker("tests.celery_app", "w1@shop", folder, ["--pool", "solo"], env, ROOT)
        with worker, Dashboard(folder, settings_for(redis, prometheus)) as dashboard:
            wait_until(lambda: records(dashboard.url), "the recorder")  # of what ended before, it never heard
            with Celery(broker=redis.url, set_as_current=False) as app:
                wait_until(lambda: bool(app.control.ping(timeout=1)), "the worker")
            yield Site(dashboard, prometheus, redis)


def settings_for(redis: Redis, prometheus: Prometheus) -> dict[str, str]:
    return {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": prometheus.url, "ALERTMANAGER_URL": "", "PUBLIC_URL": ""}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the session: Playwright keeps an event loop running, under which asyncio.run refuses in later tests.
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


def opened(browser: Browser, **options: Any) -> BrowserContext:
    """A new profile, that waits for what it expects however slow this machine is."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context


@dataclass
class Visit:
    """A page and all that went wrong in it or left this machine."""

    page: Page
    errors: list[str]
    foreign: list[str]


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    context = opened(browser, viewport={"width": 1440, "height": 1000}, timezone_id="Europe/Berlin")
    page = context.new_page()
    seen = Visit(page, [], [])
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.foreign.append(request.url) if not is_own(request.url, site) else None)
    yield seen
    context.close()


def is_own(url: str, site: Site) -> bool:
    return url.startswith((site.url, site.url.replace("http", "ws", 1), "blob:", "data:"))


# Both sources have answered what the cockpit asks of them: what arrives later moves the plot.
SETTLED = """() => document.querySelector('.cn-headline h1')
    && document.querySelector('#cockpit')?.cell?.rows.map((row) => row.csv.length).join() === '2,1,2,2'"""


def fits(page: Page, width: int) -> None:
    """Nothing scrolls sideways, once all has its place."""
    page.wait_for_function(
        """(width) => [document.documentElement, document.querySelector('[data-testid=stMain]')]
            .every((part) => part.scrollWidth <= width)""",
        arg=width,
    )


def copied(page: Page, button: Locator) -> str:
    """What a click puts into the clipboard; the button itself says so for a moment alone."""
    page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    return str(page.wait_for_function("() => navigator.clipboard.readText()").json_value())


def in_module(page: Page, name: str, expression: str, argument: Any) -> Any:
    """What `expression` of the module's exports (`m`) and `argument` (`given`) is, once the page has loaded it."""
    loaded = """(name) => performance.getEntriesByType("resource").map((one) => one.name)
        .find((one) => one.endsWith(name))"""
    address = page.wait_for_function(loaded, arg=name).json_value()
    return page.evaluate(
        f"async ([address, given]) => {{ const m = await import(address); return {expression}; }}",
        [address, argument],
    )
