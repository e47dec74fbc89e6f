"""A notebook as one file, opened from the disk without a network: it draws, sorts, prints, and asks nobody anything."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

import data_sources.ask
from cells.cell import Cell, Layer, Row, over, row
from cells.cell_payload import cell_payload
from cells.load import Load, QueueLoad
from cells.page_view import View
from cells.payload import picture_payload
from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.failure import Failure
from data_sources.query import Depths, PromQL, Query
from data_sources.range_frame import tidy_frame
from data_sources.schedule_query import ScheduledLoad
from data_sources.scope import Range, Scope, Window
from notebooks.html_file import html
from notebooks.prose import tree
from tests.browser.conftest import opened
from tests.watching import unwatched

HOSTILE = "</script><img src=x onerror=window.__xss=1><!--<script>"
END = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(END - timedelta(hours=1), END, timedelta(seconds=15))
VIEW = View(Scope("default", Range(start=WINDOW.start, end=WINDOW.end)), None, ())
ROWS = 80


def over_time(query: Query, **series: float) -> Answer:
    times = np.arange(WINDOW.points) * 15_000 + int(WINDOW.start.timestamp() * 1000)
    values = [(times, level * (1 + np.sin(times / 6e5))) for level in series.values()]
    frame = tidy_frame([{"name": name} for name in series], values, ["name"])
    return Answer(frame, query, {"value": "1/s"}, WINDOW, "Prometheus 3.1 at prom:9090", END, timedelta(milliseconds=9))


def blank(query: Query) -> Answer:
    return Answer(blank_frame(query), query)


def pieces() -> list[dict[str, Any]]:
    rate, limit = PromQL("sum by (name) (rate(x[1m]))"), PromQL("limit")
    plot = Cell("speed", "How fast", "Look where it falls.", (row("tasks / s", rate, "stacked", over(limit, "limit")),))
    series = [over_time(rate, **{HOSTILE: 3, "shop.mail": 2}), over_time(limit, **{"shop.mail": 5})]
    queues = pd.DataFrame({"queue": [f"{HOSTILE}{place}" for place in range(ROWS)], "ready": range(ROWS)})
    waiting = Cell("waiting", f"What waits {HOSTILE}", "", (Row("", (Layer(Depths(), "table"),)),))
    failed = Failure("unreachable", "Redis", "refuses connections", "", END, END)
    told = Answer(queues, Depths(), origin="Redis", measured_at=END)
    due = replace(blank(ScheduledLoad()), measured_at=END)
    load = Load((END.timestamp() * 1000,), (QueueLoad("mail", "#4477aa", (3,), (60.0,)),))
    return [
        {"kind": "prose", "tree": tree(f"# Why?\n\n*Because* {HOSTILE} [queues](/queues)")},
        {"kind": "cell", **cell_payload(plot, [series], VIEW)},
        {"kind": "cell", **cell_payload(waiting, [[told]], VIEW)},
        {"kind": "cell", **cell_payload(replace(waiting, name="gone"), [[told.failed(failed)]], VIEW)},
        {"kind": "cell", **cell_payload(replace(plot, name="late"), [[blank(rate), blank(limit)]], VIEW)},
        {"kind": "prose", "tree": tree("more"), "collapsed": True},
        {"kind": "cell", **picture_payload("coming", "What comes", "", {"rows": due}, load, VIEW), "collapsed": True},
        {
            "kind": "threshold",
            "name": "fast_enough",
            "title": HOSTILE,
            "says": "last of value > 1",
            "line": "",
            "state": "holds",
            "value": 2.0,
            "unit": "1/s",
            "series": "shop.mail",
            "why": "",
        },
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    desk = unwatched({})
    path = tmp_path_factory.mktemp("file") / "notebook.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        path.write_bytes(html(f"Why {HOSTILE}", pieces(), END, line=HOSTILE))
    desk.stop()
    return path


@dataclass
class Opened:
    page: Page
    requests: list[str]
    errors: list[str]


@pytest.fixture
def looked(browser: Browser, file: Path) -> Iterator[Opened]:
    context = opened(browser, viewport={"width": 1000, "height": 900}, timezone_id="Europe/Berlin", offline=True)
    page = context.new_page()
    seen = Opened(page, [], [])
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    page.goto(file.as_uri())
    expect(page.locator("#speed .trace")).to_have_count(3)
    yield seen
    context.close()


def test_all_of_it_is_drawn_without_a_request_and_nothing_in_it_runs(looked: Opened) -> None:
    page = looked.page
    expect(page.locator("h1")).to_have_text(f"Why {HOSTILE}")
    expect(page.locator(".cn-prose h2")).to_have_text("Why?")
    expect(page.locator("#speed .cn-legend")).to_have_text([HOSTILE, "shop.mail"])
    expect(page.locator("#gone .cn-failure")).to_contain_text("Redis: refuses connections")
    expect(page.locator("#late .cn-failure")).to_contain_text("before there was an answer")
    expect(page.locator("#fast_enough")).to_contain_text("holds")
    expect(page.locator("#speed + .cn-asked")).to_contain_text("2026-03-01 12:00:00 – 2026-03-01 13:00:00")
    expect(page.locator(".cn-prose a, .cn-foot a")).to_have_count(0)

    assert page.evaluate("() => [window.__xss, document.images.length]") == [None, 0]
    assert [url for url in looked.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert looked.errors == []


def test_a_plot_zooms_and_tells_and_a_table_sorts_and_shows_more(looked: Opened) -> None:
    page = looked.page
    page.locator("#speed .cn-plot").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#speed .cn-tip")).to_contain_text("shop.mail")
    drag = page.locator("#speed .nsewdrag").bounding_box()
    assert drag
    page.mouse.move(drag["x"] + 100, drag["y"] + 50)
    page.mouse.down()
    page.mouse.move(drag["x"] + 300, drag["y"] + 50, steps=3)
    page.mouse.up()
    expect(page.get_by_role("button", name="Show all")).to_be_visible()

    first = page.locator("#waiting tbody tr").first
    page.locator("#waiting th button").nth(1).click()
    expect(first).to_contain_text(f"{HOSTILE}{ROWS - 1}")
    page.locator("#waiting button", has_text="Show 30 more").click()
    expect(page.locator("#waiting tbody tr")).to_have_count(ROWS)
    page.get_by_label("Time zone").select_option("UTC")
    expect(page.locator("#speed + .cn-asked")).to_contain_text("2026-03-01 11:00:00 – 2026-03-01 12:00:00")
    assert looked.errors == []


def picture(page: Page, kind: str) -> bytes:
    """The plot, as the file that is downloaded."""
    with page.expect_download() as download:
        page.get_by_role("button", name=kind).click()
    assert download.value.suggested_filename == f"speed-20260301T110000Z.{kind.lower()}"
    return download.value.path().read_bytes()


def test_a_plot_of_a_file_can_be_kept_as_a_picture(looked: Opened) -> None:
    looked.page.locator("#speed summary", has_text="Export").click()
    drawn, painted = picture(looked.page, "SVG").decode(), picture(looked.page, "PNG")
    assert "&lt;/script&gt;" in drawn
    assert "<img" not in drawn
    size = re.search(r'<svg[^>]* width="([0-9]+)" height="([0-9]+)"', drawn)
    assert size
    assert painted[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", painted[16:24]) == (2 * int(size[1]), 2 * int(size[2]))  # sharp on any screen
    assert looked.errors == []


# What a printer would get: `pdf` lays the page out for paper, tells it so, and takes it back.
ON_PAPER = """() => addEventListener("beforeprint", () => {
  window.paper = {
    background: getComputedStyle(document.body).backgroundColor,
    rows: document.querySelectorAll("#waiting tbody tr").length,
    hours: document.querySelectorAll("#coming .cn-hour").length,
    opened: [...document.querySelectorAll("details.cn-piece")].every((piece) => piece.open),
  };
})"""


def test_on_paper_it_is_light_and_has_all_rows(looked: Opened, tmp_path: Path) -> None:
    page = looked.page
    page.emulate_media(color_scheme="dark")
    expect(page.locator("#waiting tbody tr")).to_have_count(50)
    page.evaluate(ON_PAPER)
    printed = page.pdf(path=tmp_path / "notebook.pdf", print_background=True)

    paper = {"background": "rgb(255, 255, 255)", "rows": ROWS, "hours": 1, "opened": True}
    assert page.evaluate("window.paper") == paper
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    expect(page.locator("#waiting tbody tr")).to_have_count(50)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
