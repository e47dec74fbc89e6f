"""The Tasks page in a real browser, over a past that is known: every choice is a link, and the link is the view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from charts.theme import STATE_OF
from data_sources.config import Broker, Cluster, Secret
from data_sources.history.place import place
from data_sources.microseconds import moment
from data_sources.scope import iso
from demo.servers import Dashboard, Redis
from tests.browser.conftest import fits, in_module, opened
from tests.decided import END_US, NAMES, START_US, Decided, write

# How far a state's word stands out from what is behind it, as WCAG counts.
CONTRAST = """given.map((state) => {
    const node = m.drawValue(document.createElement("td"), state, { name: "state", kind: "state" }).firstChild;
    document.querySelector(".cn-root").append(node);
    const pen = document.createElement("canvas").getContext("2d"), style = getComputedStyle(node);
    const light = (...layers) => {
        for (const layer of layers) { pen.fillStyle = layer; pen.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((byte) => byte / 255)
            .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const page = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
    const [word, behind] = [light(style.color), light(page, style.backgroundColor)];
    return Math.max(word, behind) / Math.min(word, behind);
})"""
Scheme = Literal["light", "dark"]
PAST = urlencode({"from": iso(moment(START_US)), "to": iso(moment(END_US)), "refresh": "0"})


@dataclass(frozen=True)
class Shop:
    url: str
    tasks: list[Decided]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with Redis(folder / "redis") as redis:
        tasks = write(place(Secret(f"sqlite://{folder / 'history'}"), Cluster(broker=Broker.from_url(redis.url))))
        env = {"CELERY_BROKER_URL": redis.url, "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "PUBLIC_URL": ""}
        with Dashboard(folder, env) as dashboard:
            yield Shop(dashboard.url, tasks)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = opened(browser, viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
    context.close()


def rows(page: Page) -> Locator:
    return page.locator("#tasks tbody tr")


def params(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def listed(page: Page, column: int) -> list[str]:
    """The texts of a column of the list, as it is drawn."""
    texts: list[str] = rows(page).locator(f"td:nth-child({column})").all_inner_texts()
    return texts


def test_every_choice_is_in_the_link_and_the_link_opens_the_same_view(page: Page, browser: Browser, shop: Shop) -> None:
    failed = sorted(
        (task.runtime for task in shop.tasks if task.state == "FAILURE" and task.name == "shop.send"), reverse=True
    )
    page.goto(f"{shop.url}/tasks?{PAST}")
    expect(rows(page)).to_have_count(50)
    expect(page.locator(".cn-facets a", has_text="FAILURE")).to_contain_text(
        f"{sum(task.state == 'FAILURE' for task in shop.tasks):,}"
    )

    page.locator(".cn-facets a", has_text="FAILURE").click()
    expect(page.locator(".cn-chosen")).to_contain_text("state FAILURE")
    expect(rows(page).locator("td:nth-child(2)", has_text="FAILURE")).to_have_count(50)
    page.locator(".cn-facets a", has_text="shop.send").click()
    page.wait_for_function("() => location.search.includes('name=shop.send')")
    page.locator("#tasks th a", has_text="run").click()
    expect(page.locator("#tasks th[aria-sort=descending]")).to_contain_text("run")
    expect(rows(page).first.locator("td:nth-child(5)")).to_have_text(f"{failed[0]:.0f} s")
    page.locator(".cn-search").fill("exception:KeyError OR exception:TimeoutError")
    page.wait_for_function("() => location.search.includes('search=')")
    expect(rows(page).locator("td:nth-child(9)", has_text=re.compile("KeyError|TimeoutError"))).to_have_count(50)
    expect(page.locator(".cn-search")).to_be_focused()
    first_page = listed(page, 13)
    page.get_by_role("link", name="Next page").click()
    page.wait_for_function("() => location.search.includes('after=')")
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    second_page = listed(page, 13)

    assert not set(first_page) & set(second_page)
    asked = params(page)
    assert (asked["state"], asked["name"], asked["sort"]) == (["FAILURE"], ["shop.send"], ["-runtime"])
    stranger = opened(browser, viewport={"width": 1440, "height": 1000}).new_page()
    stranger.goto(page.url)
    expect(rows(stranger)).to_have_count(len(second_page))
    assert listed(stranger, 13) == second_page
    stranger.context.close()

    page.go_back()
    expect(page.get_by_role("link", name="First page")).to_have_count(0)
    expect(rows(page).locator("td:nth-child(13)")).to_have_text(first_page)
    page.locator(".cn-chosen a", has_text="shop.send").click()
    page.wait_for_function("() => !location.search.includes('name=')")
    assert params(page)["state"] == ["FAILURE"]


def test_a_failure_is_followed_to_the_one_task_by_clicks_alone(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/tasks?{PAST}")
    group = page.locator("#failures tbody tr", has_text="KeyError('…')")
    number = group.locator("td").nth(2).locator("a")
    count = int(number.inner_text().replace(",", ""))
    assert count == sum(
        (task.exception or "").startswith("KeyError") and task.last_us >= END_US - 3600_000_000 for task in shop.tasks
    )

    number.click()
    page.wait_for_function("() => location.search.includes('failure=')")
    expect(page.locator("#tasks .cn-source", has_text=f"{min(count, 50)} rows")).to_have_count(1)
    expect(rows(page).locator("td:nth-child(9)", has_text="KeyError")).to_have_count(min(count, 50))
    rows(page).first.locator("td a").first.click()
    page.wait_for_function("() => location.pathname === '/task'")

    assert re.fullmatch(r"\d{8}", params(page)["id"][0])
    assert page.evaluate("() => window.__xss") is None


def test_a_drag_over_the_bars_sets_the_range(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/tasks?{PAST}")
    page.wait_for_selector("#histogram .barlayer .trace", state="attached")
    for above in (page.locator(".cn-headline h1"), page.locator(".cn-facets a", has_text="FAILURE")):
        expect(above).to_be_visible()
    expect(rows(page)).to_have_count(50)
    area = page.locator("#histogram .nsewdrag").first.bounding_box()
    assert area
    y = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + area["width"] / 3, y)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 2 / 3, y, steps=5)
    page.mouse.up()

    page.wait_for_function(f"() => new URL(location.href).searchParams.get('from') !== {iso(moment(START_US))!r}")
    page.wait_for_function("() => document.querySelector('#tasks tbody tr')")
    asked = params(page)
    third = (END_US - START_US) / 3
    for name, expected in (("from", START_US + third), ("to", START_US + 2 * third)):
        at = page.evaluate("(text) => Date.parse(text)", asked[name][0]) * 1000
        assert at == pytest.approx(expected, abs=third / 50)


def test_a_search_that_cannot_be_meant_is_named_and_stays_in_the_box(page: Page, shop: Shop) -> None:
    hostile = quote(NAMES[2])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{shop.url}/tasks?{PAST}&search=a%20OR%20(&name={hostile}")

    expect(page.get_by_text("search lacks a text after the word at character 6")).to_be_visible()
    expect(page.locator(".cn-search")).to_have_value("a OR (")
    expect(page.locator(".cn-chosen")).to_contain_text(NAMES[2])
    expect(rows(page)).to_have_count(50)
    assert page.evaluate("() => window.__xss") is None
    fits(page, 390)
    assert not page.locator(".cn-facets").evaluate("(node) => node.open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_word_of_any_state_can_be_read_by_day_and_by_night(page: Page, shop: Shop, scheme: Scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{shop.url}/tasks?{PAST}")
    expect(page.locator("#tasks .cn-verdict").first).to_be_visible()

    contrasts = dict(zip(STATE_OF, in_module(page, "values.js", CONTRAST, list(STATE_OF)), strict=True))

    assert {state: contrast for state, contrast in contrasts.items() if contrast < 4.5} == {}
