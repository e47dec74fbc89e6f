"""The Tasks page over a million recorded tasks of a week, in Chromium: drawn completely, filtered and sorted."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmarks._past import month
from data_sources.config import Broker, Cluster
from demo.servers import Dashboard, Redis
from tests.chromium import chromium

TASKS, DAYS = 1_000_000, 7
RUNS = 7
FIRST_VIEW_SECONDS, CHANGE_SECONDS = 2.0, 0.5

DRAWN = """() => document.querySelector('.cn-headline h1')
    && document.querySelectorAll('.cn-facets section a').length > 20
    && document.querySelector('#histogram .barlayer .trace')
    && document.querySelectorAll('#names tbody tr').length > 0
    && document.querySelectorAll('#failures tbody tr').length > 0
    && document.querySelectorAll('#tasks tbody tr').length === 50"""
STATES = "() => [...document.querySelectorAll('#tasks tbody tr td:nth-child(2)')].map((cell) => cell.textContent)"
FILTERED = (
    f"() => {{ const states = ({STATES})(); return states.length === 50 && states.every((one) => one === 'FAILURE'); }}"
)
SORTED = "() => document.querySelector('#tasks th[aria-sort=descending]')?.textContent.startsWith('run')"


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as name, Redis(Path(name) / "redis") as redis, sync_playwright() as playwright:
        folder = Path(name)
        month(folder / "history", TASKS, DAYS, Cluster(broker=Broker.from_url(redis.url)))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
        with Dashboard(folder, env) as dashboard:
            browser = chromium(playwright)
            taken = [visit(browser.new_page(), f"{dashboard.url}/tasks?range={DAYS}d") for _ in range(RUNS + 1)]
            browser.close()
    first, filtered, in_order = (median(times) for times in zip(*taken[1:], strict=True))
    return [
        row("first view", first, FIRST_VIEW_SECONDS),
        row("a filter", filtered, CHANGE_SECONDS),
        row("a sort", in_order, CHANGE_SECONDS),
    ]


def visit(page: Page, url: str) -> tuple[float, float, float]:
    """Seconds until the page is drawn, a filter is, and a sort."""
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(DRAWN)
    drawn = time.perf_counter()
    page.wait_for_timeout(500)
    clicked = time.perf_counter()
    page.locator(".cn-facets a", has_text="FAILURE").click()
    page.wait_for_function(FILTERED)
    filtered = time.perf_counter()
    page.wait_for_timeout(500)
    again = time.perf_counter()
    page.locator("#tasks th a", has_text="run").click()
    page.wait_for_function(SORTED)
    ended = time.perf_counter()
    page.close()
    return drawn - began, filtered - clicked, ended - again


def row(what: str, ours: float, limit: float) -> dict[str, object]:
    name = f"Tasks page of {TASKS // 10**6} million tasks: {what}"
    return {"name": name, "ours": ours, "peer": limit, "ratio": limit / ours, "goal": 1.0, "runs": RUNS, "unit": "s"}


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
