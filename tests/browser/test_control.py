"""Steering real workers in a real browser: seen before it is done, confirmed, told, and taken back."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from playwright.sync_api import Browser, Locator, Page, expect

from demo.servers import Dashboard, Process, Redis, celery_worker, wait_until
from tests.asking import exported, records
from tests.browser.conftest import fits, opened

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO, LAST = "mail-1@shop", "mail-2@shop", "last@shop"
MEASURED = "() => document.querySelector('#verdict')?.cell?.rows[0].measured_at"
QUIET = {"PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "PUBLIC_URL": ""}


@dataclass
class Shop:
    """A dashboard whose operator is who sits here, and three workers of the queues `mail` and `last`."""

    dashboard: Dashboard
    app: Celery
    workers: dict[str, Process]
    start: Callable[[str], Process]

    def restart(self, worker: str) -> None:
        """It answers again, and is known to."""
        self.workers[worker].stop()
        self.workers[worker] = self.start(worker)
        wait_until(lambda: bool(self.app.control.inspect([worker], timeout=2).ping()), "the worker that was restarted")
        wait_until(lambda: "idle" in self.rows("workers", "verdict", worker), "its place in the record")
        wait_until(lambda: bool(self.rows("inspect", "worker", worker, q="ping")), "its answer to the dashboard")

    def rows(self, source: str, column: str, worker: str, **params: str) -> list[Any]:
        """A column of the dashboard's own answer about a worker."""
        rows = exported(self.dashboard.url, source=source, worker=worker, **params)
        return [row[column] for row in rows if row["worker"] == worker]

    def says(self, method: str, worker: str) -> Any:
        """What a worker answers to an inspect method, in celery's shape."""
        return (getattr(self.app.control.inspect([worker], timeout=60), method)() or {}).get(worker)

    def queues(self, worker: str) -> set[str]:
        return {queue["name"] for queue in self.says("active_queues", worker)}

    def send(self, name: str, *args: Any, **options: Any) -> str:
        return str(self.app.send_task(name, args, queue="mail", **options).id)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with Redis(folder / "redis") as redis:
        env = {"CELERY_BROKER_URL": redis.url, "PYTHONPATH": str(ROOT)}
        queues = {ONE: "mail,celery", TWO: "mail,celery", LAST: "last"}

        def start(name: str) -> Process:
            return celery_worker("tests.event_app", name, folder, ["-c", "1", "-E", "-Q", queues[name]], env, ROOT)

        workers = {name: start(name) for name in queues}
        access = {"CELERY_NOTEBOOK_LOCAL_OPERATOR": "1"}
        try:
            with (
                Dashboard(folder, {**env, **QUIET, **access}) as dashboard,
                Celery(broker=redis.url, set_as_current=False) as app,
            ):
                app.conf.task_send_sent_event = True
                wait_until(lambda: len(app.control.inspect(timeout=1).ping() or {}) == len(workers), "the workers")
                wait_until(lambda: records(dashboard.url), "the recorder")
                yield Shop(dashboard, app, workers, start)
        finally:
            for worker in workers.values():
                worker.stop()


@dataclass
class Desk:
    """A page with the dialog in it."""

    page: Page
    shop: Shop
    errors: list[str] = field(default_factory=list)

    def open(self, path: str, refresh: str = "1s", **params: str) -> None:
        self.page.goto(f"{self.shop.dashboard.url}{path}?{urllib.parse.urlencode({'refresh': refresh, **params})}")
        self.page.wait_for_selector(".cn-headline h1")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog.cn-dialog")

    def press(self, name: str) -> None:
        """A button beside what the page shows."""
        self.page.locator(".cn-steer-buttons").get_by_role("button", name=name, exact=True).click()

    def look(self) -> None:
        """Asks what it would do."""
        self.dialog.get_by_role("button", name="Show what it would do").click()

    def act(self, name: str) -> None:
        button = self.dialog.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled()
        button.click()

    def told(self) -> Locator:
        """What came of it, in the dialog."""
        result = self.dialog.locator(".cn-result")
        expect(result).to_be_visible()
        return result

    def is_focused(self, name: str) -> None:
        self.page.wait_for_function("(name) => document.activeElement.textContent === name", arg=name)


@pytest.fixture
def desk(browser: Browser, shop: Shop) -> Iterator[Desk]:
    context = opened(browser, viewport={"width": 1440, "height": 1000}, timezone_id="Europe/Berlin")
    page = context.new_page()
    desk = Desk(page, shop)
    page.on("pageerror", lambda error: desk.errors.append(str(error)))
    yield desk
    context.close()
    assert desk.errors == []


def limit_of(shop: Shop, worker: str) -> str:
    """What a worker says of shop.add."""
    told = shop.app.control.inspect([worker], timeout=60).registered("rate_limit")
    return str(next(line for line in told[worker] if line.startswith("shop.add")))


def test_a_rate_limit_is_seen_confirmed_read_back_and_taken_back(desk: Desk, shop: Shop) -> None:
    desk.open("/worker", name=ONE)
    desk.press("Rate limit")
    expect(desk.dialog.locator(".cn-about strong")).to_have_text([ONE])
    assert "null" not in desk.dialog.inner_text()
    desk.dialog.get_by_label("Task", exact=True).fill("shop.add")
    desk.dialog.get_by_label("At most").fill("7/m")
    desk.dialog.get_by_label("At most").press("Enter")  # which asks what it would do, and no more

    expect(desk.dialog.locator(".cn-changes")).to_contain_text("7/m")
    expect(desk.dialog.locator(".cn-about strong")).to_have_text(["shop.add", ONE])
    desk.is_focused("Leave")
    assert "7/m" not in limit_of(shop, ONE)

    desk.act(f"Limit shop.add to 7/m on {ONE}")
    expect(desk.told()).to_contain_text("now: 7/m")
    assert "7/m" in limit_of(shop, ONE)
    desk.is_focused("Close")

    desk.page.keyboard.press("Escape")
    expect(desk.dialog).to_have_count(0)
    expect(desk.page.locator(".cn-steer-results .cn-result")).to_contain_text("done")
    desk.page.locator(".cn-steer-results").get_by_role("button", name="Undo: Lift the rate limit").click()
    desk.act(f"Lift the rate limit of shop.add on {ONE}")
    expect(desk.told()).to_contain_text("done")
    assert "7/m" not in limit_of(shop, ONE)


def test_a_queue_is_no_longer_consumed_and_then_again(desk: Desk, shop: Shop) -> None:
    desk.open("/worker", name=TWO)
    expect(desk.page.locator("#queues")).to_contain_text("celery")
    desk.press("Cancel consumer")
    desk.dialog.locator("select[name=queue]").select_option("celery")  # a field until they are known
    desk.look()
    desk.act(f"Stop {TWO} consuming celery")
    expect(desk.told()).to_contain_text("done")
    wait_until(lambda: shop.queues(TWO) == {"mail"}, "the end of the consumer")
    expect(desk.page.locator(".cn-told li")).to_contain_text(f"Stop {TWO} consuming celery")

    desk.dialog.get_by_role("button", name="Undo").click()
    desk.act(f"Let {TWO} consume celery")

    expect(desk.told()).to_contain_text("done")
    wait_until(lambda: shop.queues(TWO) == {"mail", "celery"}, "the consumer")
    expect(desk.page.locator(".cn-told")).to_have_count(0)  # it is as it was


def test_a_task_is_revoked_and_one_that_failed_is_sent_again_with_other_arguments(desk: Desk, shop: Shop) -> None:
    later, failed = shop.send("shop.add", 1, 2, countdown=3600), shop.send("shop.add", 1, "ü")
    wait_until(
        lambda: later in str(shop.says("scheduled", ONE)) + str(shop.says("scheduled", TWO)), "the one for later"
    )
    desk.open("/task", id=later)
    desk.press("Revoke")
    desk.act(f"Revoke task {later}")
    expect(desk.told()).to_contain_text("done")
    assert later in shop.says("revoked", ONE)
    assert later in shop.says("revoked", TWO)

    desk.open("/task", id=failed)
    expect(desk.page.locator(".cn-headline h1")).to_contain_text("failed")
    desk.page.reload()  # as who comes by the link finds it
    desk.press("Retry")
    arguments = desk.dialog.get_by_label("Arguments", exact=True)
    expect(arguments).to_have_value('[1, "ü"]')
    arguments.fill("[1, 41]")
    desk.look()
    expect(desk.dialog.locator(".cn-changes")).to_contain_text("[1, 41]")
    desk.act("Retry shop.add on mail")
    expect(desk.told()).to_contain_text("done")
    desk.open("/tasks", name="shop.add", state="SUCCESS")
    expect(desk.page.locator("#tasks")).to_contain_text("(1, 41)")


def test_no_refresh_closes_the_dialog_or_takes_what_is_typed(desk: Desk) -> None:
    desk.open("/worker", name=ONE)
    desk.press("Rate limit")
    box = desk.dialog.get_by_label("At most")
    box.fill("12")
    desk.page.evaluate("document.querySelector('dialog').mark = 1")
    for _ in range(2):
        measured = desk.page.wait_for_function(MEASURED).json_value()
        desk.page.wait_for_function(f"(at) => ({MEASURED})() > at", arg=measured)
        desk.page.keyboard.type("3")

    assert box.input_value() == "1233"
    assert desk.page.evaluate("document.querySelector('dialog').mark") == 1
    desk.page.keyboard.press("Escape")
    expect(desk.dialog).to_have_count(0)
    desk.is_focused("Rate limit")


def test_chosen_rows_are_named_before_all_of_them_are_told(desk: Desk, shop: Shop) -> None:
    desk.open("/workers", refresh="0")  # a table that is drawn anew in the middle of a click loses it
    expect(desk.page.locator(".cn-picked")).to_contain_text("Choose rows")
    expect(desk.page.locator(".cn-steer-buttons").get_by_role("button", name="Shut down")).to_be_disabled()
    for name in (ONE, TWO):
        desk.page.get_by_label(f"Choose {name}", exact=True).click()
    expect(desk.page.locator(".cn-picked")).to_contain_text("2 chosen")
    desk.press("Grow")
    expect(desk.dialog.locator(".cn-about strong")).to_have_text([ONE, TWO])
    desk.look()

    desk.act("Add 1 slot to 2 workers")

    expect(desk.told()).to_contain_text("2 done")
    for name in (ONE, TWO):
        wait_until(lambda: len(shop.says("stats", name)["pool"]["processes"]) == 2, "two processes")  # noqa: B023


def test_a_task_is_run_from_the_form_with_its_arguments_exactly(desk: Desk, shop: Shop) -> None:
    desk.open("/run", name="shop.add", queue="mail")
    form = desk.page.locator(".cn-steer-form")
    form.get_by_label("Arguments", exact=True).fill('["ключ", "\\u00fc"]')
    form.get_by_role("button", name="Show what it would do").click()
    desk.act("Run shop.add on mail")
    expect(desk.told()).to_contain_text("done")
    desk.page.keyboard.press("Escape")
    form.get_by_label("Arguments", exact=True).fill("[1, 2")
    form.get_by_role("button", name="Show what it would do").click()
    expect(desk.dialog).to_contain_text("is not JSON")

    desk.open("/tasks", name="shop.add", state="SUCCESS")
    expect(desk.page.locator("#tasks")).to_contain_text("('ключ', 'ü')")


def test_a_phone_shows_all_of_the_dialog(desk: Desk) -> None:
    desk.page.set_viewport_size({"width": 390, "height": 844})
    desk.open("/worker", name=ONE)
    desk.press("Shut down")
    go = desk.dialog.get_by_role("button", name=f"Shut down {ONE}")
    expect(go).to_be_visible()
    go.scroll_into_view_if_needed()

    box = go.bounding_box()
    assert box
    assert (box["x"] >= 0, box["x"] + box["width"] <= 390, box["height"] >= 36) == (True, True, True)
    desk.page.wait_for_function("() => document.querySelector('dialog').scrollWidth <= 390")
    fits(desk.page, 390)
    desk.dialog.get_by_role("button", name="Leave").click()
    expect(desk.dialog).to_have_count(0)
    expect(desk.page.locator(".cn-menu")).to_contain_text(re.compile("Audit"))


def test_a_worker_that_was_restarted_makes_its_plan_stale_and_gets_again_what_it_lost(desk: Desk, shop: Shop) -> None:
    desk.open("/worker", refresh="0", name=LAST)  # who asks a worker that is down does not ask it again at once
    desk.press("Rate limit")
    desk.dialog.get_by_label("Task", exact=True).fill("shop.add")
    desk.dialog.get_by_label("At most").fill("7/m")
    desk.look()
    desk.act(f"Limit shop.add to 7/m on {LAST}")
    expect(desk.told()).to_contain_text("done")
    desk.page.keyboard.press("Escape")
    desk.press("Grow")
    desk.look()
    expect(desk.dialog.locator(".cn-changes")).to_contain_text("2 processes")

    shop.restart(LAST)

    desk.act(f"Add 1 slot to {LAST}")
    expect(desk.dialog).to_contain_text("since this was planned")
    desk.dialog.get_by_role("button", name="Look at it anew").click()
    expect(desk.dialog.locator(".cn-changes")).to_contain_text("2 processes")
    desk.page.keyboard.press("Escape")
    assert len(shop.says("stats", LAST)["pool"]["processes"]) == 1

    expect(desk.page.locator(".cn-told")).to_contain_text("lost at its restart")
    assert "7/m" not in limit_of(shop, LAST)
    desk.press("Apply again")
    desk.act(f"Apply 1 change again to {LAST}")
    expect(desk.told()).to_contain_text("done")
    assert "7/m" in limit_of(shop, LAST)


def test_a_worker_ends_only_by_its_typed_name_and_never_by_enter(desk: Desk, shop: Shop) -> None:
    desk.open("/worker", name=LAST)
    desk.press("Shut down")
    expect(desk.dialog.locator(".cn-about strong")).to_have_text(LAST)
    expect(desk.dialog).to_contain_text("Nobody will take from last")
    go, box = desk.dialog.get_by_role("button", name=f"Shut down {LAST}"), desk.dialog.get_by_label(f"Type {LAST}")
    desk.is_focused("Leave")
    for wrong in ("", ONE, LAST.upper()):
        box.fill(wrong)
        expect(go).to_be_disabled()

    box.fill(LAST)
    expect(go).to_be_enabled()
    box.press("Enter")
    go.focus()
    desk.page.keyboard.press("Enter")
    expect(desk.dialog.locator(".cn-waiting, .cn-result")).to_have_count(0)
    assert shop.workers[LAST].alive

    desk.page.keyboard.press("Space")

    expect(desk.told()).to_contain_text("sent, not confirmed")
    wait_until(lambda: not shop.workers[LAST].alive, "its end")
    desk.open("/audit")
    rows = desk.page.locator("#audit tbody tr").filter(has_text="shutdown").filter(has_text=LAST)
    expect(rows.locator("td:nth-child(5)")).to_have_text(["unconfirmed", "asked"])
