"""Every page beside its limit, with 200 workers, 2,000 queues and a million recorded tasks: first view, filter, sort.

The workers are made up at the protocol's level. In Chromium, with its cache warm: by a link and by the menu.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import redis
from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks._crowd import CrowdProcess
from benchmarks._past import month, put
from data_sources.config import Broker, Cluster
from data_sources.history.place import SqlitePlace
from data_sources.history.sample_rows import packed
from demo.servers import Dashboard, Redis
from tests.chromium import chromium

TASKS, DAYS, WORKERS, QUEUES = 1_000_000, 7, 200, 2_000
RUNS = 3
FIRST_VIEW_SECONDS, CHANGE_SECONDS = 2.0, 0.5
SAMPLED_SECONDS, EVERY_SECONDS = 6 * 3_600, 10
PATIENCE_MS = 90_000  # a cell that failed is asked again within half a minute
WARM_SECONDS = 20  # of the recorder's rounds, before anybody looks


@dataclass(frozen=True)
class Place:
    """A page, its cells, and the link that leads to it from another page."""

    address: str
    cells: tuple[str, ...]
    start: str  # the page the link is on, without a cell of the same name
    link: str

    @property
    def path(self) -> str:
        return self.address.partition("?")[0]


def places(task_id: str) -> list[Place]:
    week, menu = f"range={DAYS}d", "nav a[data-page='{}']".format
    tasks = ("histogram", "names", "failures", "tasks")
    task = ("timeline", "facts", "runtimes", "runs", "comparison", "family")
    worker = ("verdict", "active", "reserved", "scheduled", "queues", "limits", "revoked", "stats", "conf")
    queue = ("facts", "flow", "xray", "messages", "consumers", "names", "tasks")
    return [
        Place("/", ("cockpit", "workers", "queues"), "/schedule", menu("/")),
        Place("/workers", ("workers", "work", "differences"), "/schedule", menu("/workers")),
        Place("/worker?name=worker7@shop", worker, "/workers", "#workers tbody a[data-page^='/worker?']"),
        Place(f"/tasks?{week}", tasks, f"/schedule?{week}", menu("/tasks")),
        Place(f"/task?id={task_id}&{week}", task, f"/tasks?{week}", "#tasks tbody a[data-page^='/task?']"),
        Place("/queues", ("queues", "flow", "leftovers"), "/schedule", menu("/queues")),
        Place("/queue?name=queue7", queue, "/queues", "#queues tbody a[data-page^='/queue?']"),
        Place("/schedule", ("entries", "load"), "/queues", menu("/schedule")),
    ]


# Every cell is there, none waits for anything or has failed, and none of the page before is left.
FILLED = """([path, cells]) => location.pathname === path
    && document.querySelector('.cn-headline h1') && !document.querySelector('.cn-pending, .cn-failure')
    && cells.every((cell) => document.getElementById(cell))
    && [...document.querySelectorAll('.cn-cell')].every((cell) => cells.includes(cell.id) || cell.id === 'work')
    && [...document.querySelectorAll('.cn-facets section')].every((facet) => facet.querySelector('a'))"""
SETTLED = "() => document.querySelector('.cn-headline h1') && !document.querySelector('.cn-pending')"
ONE_ROW = "(cell) => document.querySelectorAll(`#${cell} .cn-body > .cn-scroll tbody tr`).length === 1"
SORTED = "([cell, label]) => document.querySelector(`#${cell} th[aria-sort=descending]`)?.textContent.startsWith(label)"
FAILURES = """() => { const rows = [...document.querySelectorAll('#tasks tbody tr td:nth-child(2)')];
    return rows.length === 50 && rows.every((cell) => cell.textContent === 'FAILURE'); }"""


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder, watched(Path(folder)) as (url, task_id):
        return measure(url, task_id)


@contextmanager
def watched(folder: Path) -> Iterator[tuple[str, str]]:
    """The dashboard's address and the id of a recorded task."""
    with ExitStack() as running:
        broker = running.enter_context(Redis(folder / "redis"))
        fill(broker.port)
        where = month(folder / "history", TASKS, DAYS, Cluster(broker=Broker.from_url(broker.url)), WORKERS)
        put_samples(where)
        running.enter_context(CrowdProcess(folder, broker.url, WORKERS, QUEUES))
        env = {"CELERY_BROKER_URL": broker.url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
        dashboard = running.enter_context(Dashboard(folder, env))
        time.sleep(WARM_SECONDS)
        with closing(sqlite3.connect(where.path)) as connection:
            task_id = connection.execute("SELECT id FROM tasks ORDER BY last_us DESC LIMIT 1").fetchone()[0]
        yield dashboard.url, task_id


def fill(port: int) -> None:
    """A few messages in each queue, bound as Celery binds it: to an exchange of its own."""
    task = {"headers": {"task": "shop.task_01", "id": "0"}, "body": "W10=", "properties": {}, "content-type": ""}
    with redis.Redis(port=port) as client, client.pipeline(transaction=False) as pipeline:
        for number in range(QUEUES):
            pipeline.sadd(f"_kombu.binding.queue{number}", f"queue{number}\x06\x16\x06\x16queue{number}")
            pipeline.lpush(f"queue{number}", *[json.dumps(task)] * (number % 7 + 1))
        pipeline.execute()


def put_samples(where: SqlitePlace) -> None:
    """Six hours of what a recorder samples of them."""
    queues, workers = [f"queue{n}" for n in range(QUEUES)], [f"worker{n}@shop" for n in range(WORKERS)]
    groups = {("depth", "queue"): queues, ("unacked", "queue"): queues}
    groups |= {("busy_slots", "worker"): workers, ("slots", "worker"): workers}
    now, first = int(time.time()) // EVERY_SECONDS * EVERY_SECONDS, 1
    with closing(sqlite3.connect(where.path)) as connection, connection:
        for group, texts in groups.items():
            ids = range(first, first := first + len(texts))
            put(connection, "series", ((id, *group, text) for id, text in zip(ids, texts, strict=True)))
            for at in range(now - SAMPLED_SECONDS, now, EVERY_SECONDS):
                values = {id: (float((at // 60 + id) % 9), float(EVERY_SECONDS)) for id in ids}
                put(connection, "samples", [(EVERY_SECONDS, at, *group, *packed(values))])


def measure(url: str, task_id: str) -> list[dict[str, object]]:
    rows = []
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        for place in places(task_id):
            by_link(context, url, place)  # warms the browser's cache
            rows.append(row(f"{place.path} by a link", [by_link(context, url, place) for _ in range(RUNS)]))
            rows.append(row(f"{place.path} by a click", [by_click(context, url, place) for _ in range(RUNS)]))
        taken = [dict(changes(context, url)) for _ in range(RUNS + 1)][1:]
        return rows + [row(what, [one[what] for one in taken], CHANGE_SECONDS) for what in taken[0]]


def by_link(context: BrowserContext, url: str, place: Place) -> float:
    with closing(context.new_page()) as page:
        began = time.perf_counter()
        page.goto(url + place.address, wait_until="commit")
        page.wait_for_function(FILLED, arg=[place.path, place.cells], polling="raf", timeout=PATIENCE_MS)
        return time.perf_counter() - began


def by_click(context: BrowserContext, url: str, place: Place) -> float:
    with closing(context.new_page()) as page:
        settle(page, url + place.start)
        link = page.locator(place.link).first
        return seconds(page, link.click, FILLED, [place.path, place.cells])


def changes(context: BrowserContext, url: str) -> Iterator[tuple[str, float]]:
    """What is filtered and sorted in the browser, and where it is read."""
    for path, cell, name, label in (
        ("/queues", "queues", "queue1999", "ready"),
        ("/workers", "workers", "worker199@", "processed"),
    ):
        with closing(context.new_page()) as page:
            settle(page, url + path)
            head = page.locator(f"#{cell} th button", has_text=label).first
            yield f"{path} sorted", seconds(page, head.click, SORTED, [cell, label])
            box = page.locator(f"#{cell} input[type=search]")
            yield f"{path} filtered", seconds(page, partial(box.fill, name), ONE_ROW, cell)
    with closing(context.new_page()) as page:
        settle(page, f"{url}/tasks?range={DAYS}d")
        state = page.locator(".cn-facets a", has_text="FAILURE")
        yield "/tasks filtered", seconds(page, state.click, FAILURES, None)
        page.wait_for_timeout(1_000)
        head = page.locator("#tasks th a", has_text="run")
        yield "/tasks sorted", seconds(page, head.click, SORTED, ["tasks", "run"])


def settle(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(".cn-headline h1")
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1_000)


def seconds(page: Page, act: Callable[[], None], done: str, about: object) -> float:
    began = time.perf_counter()
    act()
    page.wait_for_function(done, arg=about, polling="raf", timeout=PATIENCE_MS)
    return time.perf_counter() - began


def row(what: str, taken: list[float], limit: float = FIRST_VIEW_SECONDS) -> dict[str, object]:
    ours = median(taken)
    name = f"at scale: {what}"
    return {"name": name, "ours": ours, "peer": limit, "ratio": limit / ours, "goal": 1.0, "runs": RUNS, "unit": "s"}


if __name__ == "__main__":
    for measured in run():
        print(json.dumps(measured))
