"""Signing in and out, as a person does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from demo.servers import Dashboard, Redis
from identity.passwords import hash_password
from tests.browser.conftest import opened

NAME = "ann.of.a.rather.long.name@a-team.example.com"
PASSWORD = "correct horse battery"
LINK = "/queues?range=6h&tz=UTC"

SETTINGS = f"""
[access]
session_life = "LIFE"
[access.users]
"{NAME}" = "{hash_password(PASSWORD)}"
[clusters.shop]
celery_broker_url = "BROKER"
prometheus_url = ""
alertmanager_url = ""
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def start(folder: Path, redis: Redis, life: str) -> Dashboard:
    config = folder / "celery-notebook.toml"
    config.write_text(SETTINGS.replace("BROKER", redis.url).replace("LIFE", life))
    return Dashboard(folder / "dashboard", {"CELERY_NOTEBOOK_CONFIG": str(config), "PUBLIC_URL": ""})


@pytest.fixture(scope="module")
def shared(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with start(tmp_path_factory.mktemp("shared"), redis, "12h") as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def brief(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with start(tmp_path_factory.mktemp("brief"), redis, "40s") as dashboard:
        yield dashboard


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["wide-light", "phone-dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, scheme = request.param
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if is_blocked(message.text) else None)
    yield page
    context.close()
    assert errors == []


def is_blocked(message: str) -> bool:
    """Whether something of a page was kept back; of Streamlit's own one script always is, which does nothing here."""
    return "Content Security" in message and "inline script" not in message


def sign_in(page: Page, url: str, password: str = PASSWORD) -> None:
    page.goto(url)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_a_link_is_open_after_the_sign_in_and_the_page_says_who_one_is(page: Page, shared: Dashboard) -> None:
    sign_in(page, shared.url + LINK)

    expect(page.locator("nav a[aria-current=page]")).to_have_text("Queues")
    assert page.url == shared.url + LINK
    expect(page.locator(".cn-person span")).to_have_text(NAME)
    expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport()
    assert fits(page)


def test_the_page_to_sign_in_on_has_room_and_starts_at_the_name(page: Page, shared: Dashboard) -> None:
    page.goto(shared.url + LINK)

    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_role("button", name="Sign in")).to_be_in_viewport()
    expect(page.get_by_text("Continue with single sign-on")).to_be_hidden()
    assert fits(page)


def test_a_wrong_password_is_said_and_the_name_and_the_way_stay(page: Page, shared: Dashboard) -> None:
    sign_in(page, shared.url + LINK, "wrong")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Name")).to_have_value(NAME)
    expect(page.get_by_label("Password")).to_be_focused()

    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(shared.url + LINK)


def test_signing_out_leads_every_tab_to_the_door_and_back_leads_nowhere(page: Page, shared: Dashboard) -> None:
    sign_in(page, shared.url + LINK)
    page.wait_for_url(shared.url + LINK)  # else the other tab may come before the session
    other = page.context.new_page()
    other.goto(shared.url + "/tasks")
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(shared.url + "/login")
    page.goto(shared.url + LINK)

    page.wait_for_url(re.compile(r"/login\?next="))
    assert "shop" not in page.content()
    other.wait_for_url(re.compile(r"/login\?next=%2Ftasks"))


@pytest.mark.parametrize("page", [(1440, "light")], ids=["wide"], indirect=True)  # it takes as long as a session
def test_when_the_session_is_over_the_page_asks_again_and_comes_back(page: Page, brief: Dashboard) -> None:
    sign_in(page, brief.url + LINK)
    page.wait_for_url(brief.url + LINK, wait_until="commit")
    page.wait_for_url(re.compile(r"/login\?next="), timeout=180_000)
    sign_in(page, page.url)

    page.wait_for_url(brief.url + LINK, wait_until="commit")
