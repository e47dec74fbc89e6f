"""The Overview drawn completely, beside a Streamlit page that only says hello, in Chromium, cold and warm cache.

Cold: in a new private window. Warm: in a profile that opened the page before.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import BrowserContext, ViewportSize, sync_playwright

from benchmarks._site import site
from cells.assets import BASIC
from tests.chromium import chromium, profile

RUNS = 7
LIMIT = 1.75  # times the hello page
CACHES = ("cold", "warm")
VIEWPORT = ViewportSize(width=1440, height=900)

HELLO = """() => document.querySelector('[data-testid=stMarkdownContainer]')?.textContent.includes('hello')"""
OVERVIEW = """() => document.querySelector('.cn-headline h1')
    && document.querySelectorAll('#cockpit .scatterlayer .trace').length >= 16
    && document.querySelectorAll('#workers tbody tr').length > 0
    && document.querySelectorAll('#queues tbody tr').length > 0"""


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as pages, sync_playwright() as playwright:
        browser = chromium(playwright)
        views = {"hello": (pages.hello, HELLO), "ours": (pages.dashboard, OVERVIEW), "full": (pages.full, OVERVIEW)}
        known = profile(playwright, Path(folder) / "profile", viewport=VIEWPORT)
        times: dict[tuple[str, str], list[float]] = {(name, cache): [] for name in views for cache in CACHES}
        for _ in range(RUNS + 2):  # the first two fill the servers' caches, and the browser's of compiled code
            for name, view in views.items():
                fresh = browser.new_context(viewport=VIEWPORT)
                times[name, "cold"].append(first_view(fresh, *view))
                times[name, "warm"].append(first_view(known, *view))
                fresh.close()
        known.close()
        browser.close()
    medians = {key: median(taken[2:]) for key, taken in times.items()}
    bundles = {"ours": "basic plotly.js" if BASIC.is_file() else "full plotly.js", "full": "full plotly.js"}
    return [
        row(f"first view, {cache} cache, {bundle}, against hello", medians[name, cache], medians["hello", cache])
        for name, bundle in bundles.items()
        for cache in CACHES
    ]


def first_view(context: BrowserContext, url: str, drawn: str) -> float:
    """Seconds from asking for the page until it is drawn."""
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(drawn, polling="raf")
    took = time.perf_counter() - began
    page.close()
    return took


def row(name: str, ours: float, hello: float) -> dict[str, object]:
    return {
        "name": name,
        "ours": ours,
        "peer": hello,
        "ratio": LIMIT * hello / ours,
        "goal": 1.0,
        "runs": RUNS,
        "unit": "s",
    }


if __name__ == "__main__":
    for result in run():
        print(json.dumps(result))
