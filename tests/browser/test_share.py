"""Sharing in a real browser: a frozen link, a snapshot without its source, a bundle without any."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import APIRequestContext, Browser, Page, expect

from demo.servers import Dashboard
from notebooks.notebook import Ask, Layer, Notebook, Prose, Row, Sql, Threshold
from notebooks.text import link
from tests.browser.conftest import ROOT, Site, Visit, copied, fits, opened
from tests.browser.test_notebook import FASTEST, RATES, STILL, seen

NOWHERE = dict.fromkeys(("ALERTMANAGER_URL", "PUBLIC_URL"), "") | {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "PROMETHEUS_URL": "http://127.0.0.1:1",
}
FILE = {"source": "promql", "q": RATES, **{name: STILL[name] for name in ("from", "to")}}
MEMORY = Layer((("source", "promql"), ("q", "container_memory_usage_bytes")), "lines")
FOUR_CELLS = Notebook(
    "Who is fast?",
    cells=(
        Prose("text", "### Who is fast?\n"),
        Ask("query", "Rates", "", (Row((Layer((("source", "promql"), ("q", RATES)), "lines", "rate"),)),)),
        Sql("joined", "Fastest", "", FASTEST),
        Threshold("threshold", "Fast enough", "joined", "most", "max", "<", 1.5),
        Ask("memory", "Evidence", "", (Row((MEMORY,)),), collapsed=True),
    ),
)


@contextmanager
def without_prometheus(site: Site) -> Iterator[None]:
    """It does not answer; once it does again, the dashboard knows."""
    site.prometheus.suspend()
    try:
        yield
    finally:
        site.prometheus.signal(signal.SIGCONT)
        site.dashboard.wait_until(lambda: states(site).get("prometheus") == "ok")


def states(site: Site) -> dict[str, str]:
    with urlopen(f"{site.url}/healthz") as answer:
        return {source["name"]: source["state"] for source in json.load(answer)["sources"]}


def csv(requests: APIRequestContext, url: str, **more: str) -> bytes:
    answer = requests.get(f"{url}/export.csv?{urlencode(FILE | more)}")
    assert answer.ok, answer.text()
    return answer.body()


def share(page: Page) -> None:
    page.locator(".cn-share > summary").click()
    expect(page.get_by_role("button", name="Make a snapshot")).to_be_visible()


def opens_what_is_collapsed(page: Page) -> None:
    page.get_by_role("button", name="▸ Evidence").click()
    expect(page.locator("#memory .cn-source")).to_contain_text("1 series")
    expect(page.locator("#memory .trace")).to_have_count(1)
    page.get_by_role("button", name="Collapse Evidence").click()
    expect(page.locator("#memory")).to_have_count(0)


def test_a_snapshot_opens_without_its_source_and_a_bundle_without_any(
    visit: Visit, browser: Browser, site: Site, tmp_path: Path
) -> None:
    page, requests = visit.page, visit.page.context.request
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site.url}/notebook?{urlencode({'text': link.write(FOUR_CELLS), **STILL})}")
    mine, rows = seen(page), csv(requests, site.url)

    share(page)
    frozen = copied(page, page.locator(".cn-share").get_by_role("button", name="Copy frozen link"))
    page.get_by_role("button", name="Make a snapshot").click()
    expect(page.locator(".cn-made")).to_contain_text("Made. Kept until")
    kept = copied(page, page.locator(".cn-share").get_by_role("button", name="Copy link"))
    bundle = page.get_by_role("link", name="Download it as a bundle").get_attribute("href")
    file = requests.get(f"{site.url}{bundle}").body()
    assert visit.errors == []

    # The frozen link, with other answers meanwhile.
    for minutes in (1, 5, 30):
        csv(requests, site.url, step=f"{minutes}m")
    page.goto(frozen)
    assert seen(page) == mine
    assert csv(requests, site.url) == rows

    id = kept.rpartition("snapshot=")[2]
    other = opened(browser, viewport={"width": 390, "height": 844})
    theirs = other.new_page()
    with without_prometheus(site):
        theirs.goto(kept)
        assert seen(theirs) == mine
        expect(theirs.locator(".cn-kept")).to_contain_text("Snapshot of Who is fast?, made 20")
        assert csv(requests, site.url, snapshot=id) == rows
        opens_what_is_collapsed(theirs)
        fits(theirs, 390)
    back = theirs.get_by_role("link", name="Back to live").get_attribute("href") or "snapshot"
    assert "snapshot" not in back

    (tmp_path / "bundle.zip").write_bytes(file)
    with Dashboard(tmp_path, NOWHERE, arguments=[str(tmp_path / "bundle.zip")]) as elsewhere:
        theirs.goto(elsewhere.url)
        assert seen(theirs) == mine
        expect(theirs.locator(".cn-kept")).to_contain_text("Bundle of Who is fast?")
        opens_what_is_collapsed(theirs)
        assert csv(other.request, elsewhere.url) == rows
        theirs.locator(".cn-menu").get_by_text("Queues").click()
        expect(theirs.get_by_role("heading", level=1)).to_have_text(
            "This page is not in the snapshot, or not all of it"
        )
        expect(theirs.locator(".cn-failure").first).to_contain_text("this is not in the snapshot")
        assert not (tmp_path / "history").exists()  # no recorder
    other.close()


def test_a_page_that_ends_before_its_last_line_is_kept_too(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/queue?{urlencode(STILL)}")
    expect(page.locator("#queues")).to_be_visible()
    share(page)
    page.get_by_role("button", name="Make a snapshot").click()
    expect(page.locator(".cn-made")).to_contain_text("Made. Kept until")


def test_a_page_keeps_its_answers_and_what_is_deleted_comes_back(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/workers?{urlencode(STILL)}")
    expect(page.locator("#workers tbody tr, .cn-table tbody tr").first).to_be_visible()
    share(page)
    page.get_by_label("Kept for").select_option("1y")
    page.get_by_role("button", name="Make a snapshot").click()
    expect(page.locator(".cn-made")).to_contain_text("Kept until")
    page.get_by_role("link", name="All snapshots").click()

    first = page.locator(".cn-kept-list li").first
    expect(first).to_contain_text("Workers")
    first.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Deleted")).to_be_visible()
    page.get_by_role("button", name="Restore").first.click()
    expect(page.get_by_role("heading", name="Deleted")).to_have_count(0)
    expect(page.locator(".cn-kept-list li").first).to_contain_text("Workers")
    assert visit.errors == []


def test_a_bundle_that_is_none_ends_the_dashboard_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK but no zip file, said nobody ever")
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "dashboard.py",
        "--server.port=0",
        "--",
        str(tmp_path / "bad.zip"),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    (line,) = [line for line in (ended.stdout + ended.stderr).splitlines() if "does not start" in line]
    assert str(tmp_path / "bad.zip") in line
    assert "Traceback" not in ended.stderr
