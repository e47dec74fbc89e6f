"""The Overview in a real browser, over real servers, on values known exactly."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from data_sources.scope import iso
from tests.browser.conftest import END, SETTLED, Site, Visit, fits

DRAWN = "#cockpit .js-plotly-plot .scatterlayer"
PAST = urllib.parse.urlencode({"from": iso(END - timedelta(hours=1)), "to": iso(END), "refresh": "5s"})


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(DRAWN, state="attached")
    page.wait_for_function(SETTLED)


def shown_range(page: Page) -> list[float]:
    """The x axis as it is drawn, in milliseconds of UTC whatever the zone shown."""
    shown: list[float] = page.evaluate(
        """() => {
            const shift = document.querySelector('#cockpit .cn-body').plot.shift;
            const range = document.querySelector('#cockpit .js-plotly-plot')._fullLayout.xaxis.range;
            return range.map((at) => Date.parse(at.replace(' ', 'T') + 'Z') - shift);
        }"""
    )
    return shown


def zoom(page: Page) -> None:
    """Drags over the middle third of the first row."""
    area = page.locator("#cockpit .nsewdrag").first.bounding_box()
    assert area
    y = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + area["width"] / 3, y)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 2 / 3, y, steps=5)
    page.mouse.up()
    page.wait_for_function("() => new URL(location.href).searchParams.has('zoom')")


def test_a_deep_link_opens_the_view_it_names(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")

    assert shown_range(visit.page) == pytest.approx(
        [(END - timedelta(hours=1)).timestamp() * 1000, END.timestamp() * 1000]
    )
    expect(visit.page.locator("#workers tbody")).to_contain_text("w1@shop")
    assert visit.errors == []
    assert visit.foreign == []


def test_a_page_that_grows_beyond_the_window_leaves_its_charts_as_wide_as_they_were_drawn(
    visit: Visit, site: Site
) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")

    scrolls = """() => {
        for (let node = document.querySelector('#cockpit'); node; node = node.parentElement) {
            const { overflowY, scrollbarGutter } = getComputedStyle(node);
            if (overflowY === 'auto') return scrollbarGutter;
        }
    }"""
    assert visit.page.evaluate(scrolls) == "stable"


def test_changing_the_range_changes_the_url_and_the_chart(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?range=1h")

    visit.page.get_by_text("6h", exact=True).first.click()
    visit.page.wait_for_url(re.compile(r"range=6h"))

    visit.page.wait_for_function(
        """() => {
            const range = document.querySelector('#cockpit .js-plotly-plot')._fullLayout.xaxis.range;
            const [from, to] = range.map((at) => +new Date(at));
            return Math.abs(to - from - 6 * 3600e3) < 60e3;
        }"""
    )


def test_a_zoom_covers_all_rows_goes_into_the_url_and_survives_refreshes(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?range=1h&refresh=2s")
    zoom(visit.page)
    zoomed = shown_range(visit.page)
    node = visit.page.query_selector("#cockpit .js-plotly-plot")
    window = visit.page.evaluate("() => document.querySelector('#cockpit').cell.window.end")

    visit.page.wait_for_function("(end) => document.querySelector('#cockpit').cell.window.end > end", arg=window)

    assert shown_range(visit.page) == pytest.approx(zoomed)
    assert visit.page.evaluate(
        "(node) => node.isConnected && node === document.querySelector('#cockpit .js-plotly-plot')", node
    )
    visit.page.reload()
    visit.page.wait_for_selector(DRAWN, state="attached")
    assert shown_range(visit.page) == pytest.approx(zoomed, abs=1)


def test_a_zoom_can_become_the_range_of_the_page(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")
    zoom(visit.page)
    from_, to = shown_range(visit.page)

    visit.page.get_by_role("button", name="Make this the page's range").click()
    visit.page.wait_for_function("() => !new URL(location.href).searchParams.has('zoom')")

    params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(visit.page.url).query))
    assert datetime.fromisoformat(params["from"]).timestamp() * 1000 == pytest.approx(from_, abs=1)
    assert datetime.fromisoformat(params["to"]).timestamp() * 1000 == pytest.approx(to, abs=1)


def test_the_csv_is_what_prometheus_says(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")
    visit.page.locator("#cockpit summary", has_text="Export").click()
    with visit.page.expect_download() as download:
        visit.page.locator("#cockpit .cn-panel a", has_text="CSV").first.click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    link = urllib.parse.urlsplit(download.value.url)
    asked = dict(urllib.parse.parse_qsl(link.query))

    body = urllib.parse.urlencode(
        {
            "query": asked["q"],
            "start": datetime.fromisoformat(asked["from"]).timestamp(),
            "end": datetime.fromisoformat(asked["to"]).timestamp(),
            "step": asked["step"],
        }
    ).encode()
    with urllib.request.urlopen(f"{site.prometheus.url}/api/v1/query_range", body) as reply:
        expected = json.load(reply)["data"]["result"]

    told = {
        (series["metric"]["name"], float(at)): float(value) for series in expected for at, value in series["values"]
    }
    assert {
        (row["name"].lstrip("'"), datetime.fromisoformat(row["time"]).timestamp()): float(row["value"]) for row in rows
    } == told
    assert len(rows) > 400


def test_names_from_outside_stay_text(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")

    expect(visit.page.locator("#cockpit .cn-legend", has_text="<img src=x onerror=window.__xss=1>")).to_be_visible()
    expect(visit.page.locator("#cockpit .cn-legend", has_text="app.__main__.send")).to_be_visible()
    assert visit.page.evaluate("() => window.__xss") is None
    assert visit.page.locator("#cockpit img").count() == 0


def test_the_crosshair_tells_all_rows_at_one_moment(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")
    area = visit.page.locator("#cockpit .nsewdrag").first.bounding_box()
    assert area
    visit.page.mouse.move(area["x"] + area["width"] / 2, area["y"] + 20)

    tip = visit.page.locator("#cockpit .cn-tip")
    expect(tip).to_contain_text("UTC")
    expect(tip).to_contain_text("app.__main__.send2 /s")
    expect(tip).to_contain_text("MiB")


def test_a_rejected_range_is_named_and_the_page_stays(visit: Visit, site: Site) -> None:
    open_page(visit.page, f"{site.url}/?range=soon")

    expect(visit.page.get_by_text("range “soon” is not a duration")).to_be_visible()


def test_a_phone_shows_it_without_scrolling_sideways(visit: Visit, site: Site) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    open_page(visit.page, f"{site.url}/?{PAST}")

    fits(visit.page, 390)


def test_the_page_comes_as_one_file_that_shows_the_same(visit: Visit, site: Site, tmp_path: Path) -> None:
    open_page(visit.page, f"{site.url}/?{PAST}")
    shown = ["<img src=x onerror=window.__xss=1>", "app.__main__.send", "failed", "shop-1"]
    expect(visit.page.locator("#cockpit .cn-legend")).to_have_text(shown)
    expect(visit.page.locator("#workers tbody tr")).not_to_have_count(0)
    visit.page.locator(".cn-share > summary").click()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="Download as HTML").click()
    download.value.save_as(tmp_path / "page.html")
    assert visit.errors == []

    visit.page.goto((tmp_path / "page.html").as_uri())
    expect(visit.page.locator("#cockpit .cn-legend")).to_have_text(shown)
    expect(visit.page.locator("#cockpit .trace").first).to_be_attached()
    expect(visit.page.locator("#workers tbody tr")).not_to_have_count(0)
    assert visit.errors == []
