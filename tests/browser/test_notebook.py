"""A notebook in a real browser: written by clicks alone, kept, and sent to somebody else as a link."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import END, START, Site, Visit, copied, fits, opened

# What Prometheus of conftest.py knows, and no refresh moves it.
STILL = {"from": START.isoformat(), "to": END.isoformat(), "refresh": "0"}
RATES = "sum by (name) (rate(celery_task_succeeded_total[5m]))"
FASTEST = "SELECT name, round(max(value), 3) AS most FROM query GROUP BY name ORDER BY most DESC"
HOSTILE = "<img src=x onerror=window.__xss=1>"


def add(page: Page, kind: str) -> None:
    page.locator(".cn-all-kinds").get_by_role("button", name=re.compile(f"^{kind}")).click()


def write_four_cells(page: Page) -> None:
    """Prose, PromQL, SQL over it, and a threshold on that."""
    add(page, "Text")
    page.get_by_label("Markdown").fill(f"## Who is fast?\n\nSee [queues](/queues), not {HOSTILE}.")
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".cn-prose h3")).to_have_text("Who is fast?")

    add(page, "PromQL")
    page.get_by_role("combobox", name="PromQL").fill(RATES)
    page.get_by_role("combobox", name="PromQL").press("Control+Enter")
    expect(page.locator("#query .cn-source")).to_contain_text("2 series")
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".cn-form")).to_have_count(0)

    add(page, "SQL")
    page.get_by_label("SELECT").fill(FASTEST)
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#joined tbody tr")).to_have_count(2)

    add(page, "Threshold")
    page.get_by_label("of column").fill("most")
    page.get_by_label("limit").fill("1.5")
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".cn-threshold-fails")).to_contain_text("does not hold: 2")


def seen(page: Page) -> list[str]:
    """All that the four cells say."""
    expect(page.locator("#query .cn-source")).to_contain_text("2 series")
    expect(page.locator("#query .cn-legend")).to_have_count(2)
    expect(page.locator("#joined tbody tr")).to_have_count(2)
    expect(page.locator(".cn-threshold-fails")).to_be_visible()
    parts = (".cn-prose", "#query .cn-legend", "#joined tbody td", ".cn-threshold")
    return [text for part in parts for text in page.locator(part).all_inner_texts()]


def test_a_notebook_of_four_cells_is_written_and_somebody_else_sees_the_same_numbers(
    visit: Visit, browser: Browser, site: Site
) -> None:
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site.url}/notebooks?{urlencode(STILL)}")
    page.get_by_role("link", name="New notebook").click()
    expect(page.locator(".cn-empty")).to_contain_text("A notebook is an argument")
    write_four_cells(page)
    page.get_by_label("Title of the notebook").fill("Who is fast?")
    page.get_by_label("Title of the notebook").press("Enter")
    expect(page.locator(".cn-keeping")).to_contain_text("Draft, not saved yet · kept")
    page.wait_for_url(re.compile("draft="))
    expect(page.locator("[data-title='Who is fast?']")).to_have_count(1)  # the server has it, too
    mine = seen(page)
    page.locator(".cn-notebook-buttons").get_by_text("Link", exact=True).click()
    link = copied(page, page.get_by_role("button", name="Copy frozen link"))

    assert HOSTILE in mine[0]
    assert {"text", "from", "to", "refresh"} <= parse_qs(urlsplit(link).query).keys()
    assert "draft" not in parse_qs(urlsplit(link).query)  # which is its writer's
    other = opened(browser, viewport={"width": 390, "height": 844}, timezone_id="America/New_York")
    theirs = other.new_page()
    theirs.goto(link)
    assert seen(theirs) == mine
    expect(theirs.get_by_label("Title of the notebook")).to_have_value("Who is fast?")
    fits(theirs, 390)
    assert not theirs.evaluate("Boolean(window.__xss)")
    other.close()
    assert visit.errors == []
    assert visit.foreign == []


def test_what_is_edited_is_undone_saved_and_looked_at_again_and_a_cell_keeps_what_is_open_when_it_moves(
    visit: Visit, site: Site
) -> None:
    page = visit.page
    page.goto(f"{site.url}/queues?{urlencode(STILL)}")
    page.locator("#flow summary", has_text="To notebook").click()
    page.get_by_role("button", name="New notebook").click()
    expect(page.locator("#flow .cn-chart.js-plotly-plot")).to_be_visible()
    add(page, "Text")
    expect(page.get_by_label("Markdown")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".cn-form")).to_have_count(0)

    page.locator("#flow summary", has_text="Table").click()
    page.locator("[data-focus='Move down-flow']").click()
    expect(page.locator("[data-focus='Move down-flow']:disabled")).to_have_count(1)
    expect(page.locator("#flow details[open]")).to_contain_text("Table")  # still
    page.keyboard.press("Control+z")
    expect(page.locator("[data-focus='Move up-flow']:disabled")).to_have_count(1)

    page.locator("#flow summary", has_text="Table").click()  # it lies over the next cell

    page.locator("[data-focus='more-text']").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".cn-prose")).to_have_count(0)
    page.locator(".cn-notebook-buttons").get_by_role("button", name="Undo").click()
    expect(page.locator(".cn-prose")).to_have_count(1)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".cn-keeping")).to_have_text("Revision 1")
    page.wait_for_url(re.compile("[?&]id="))

    page.goto(f"{site.url}/notebooks")
    saved = page.locator(".cn-shelf li", has_text="2 cells · revision 1")
    saved.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.reload()  # also who did not do it has a way back
    page.locator("summary", has_text="Deleted (1)").click()
    page.get_by_role("button", name="Restore").click()
    saved.get_by_role("link").click()
    expect(page.locator(".cn-prose")).to_have_count(1)
    expect(page.locator("#flow .cn-chart.js-plotly-plot")).to_be_visible()
    assert visit.errors == []


def test_a_file_is_opened_its_variables_chosen_in_the_url_and_a_bad_one_is_refused_with_its_line(
    visit: Visit, site: Site
) -> None:
    page = visit.page
    page.goto(f"{site.url}/notebooks?{urlencode(STILL)}")
    page.locator(".cn-file-input").set_input_files(
        {"name": "bad.md", "mimeType": "text/markdown", "buffer": b"+++\ncelery_notebook = 99\n+++\n"}
    )
    expect(page.get_by_role("alert")).to_contain_text("line 2")
    page.locator(".cn-file-input").set_input_files(
        {"name": "large.md", "mimeType": "text/markdown", "buffer": b"x" * (256 * 1024 + 1)}
    )
    expect(page.locator(".cn-shelf-buttons")).to_contain_text("large.md is larger than 256 KiB.")
    text = (
        '+++\ncelery_notebook = 1\ntitle = "By task"\n\n[variables.task]\nkind = "label"\nlabel = "name"\n'
        'metric = "celery_task_succeeded_total"\n+++\n\n'
        '```promql name="rates" title="Rates" chart="lines"\n'
        'sum by (name) (rate(celery_task_succeeded_total{name=~"$task"}[5m]))\n```\n'
    )
    page.locator(".cn-file-input").set_input_files(
        {"name": "n.md", "mimeType": "text/markdown", "buffer": text.encode()}
    )
    expect(page.locator("#rates .cn-source")).to_contain_text("2 series")
    asked = "() => !document.querySelector('.cn-variables').cell.variables.some(({ pending }) => pending)"
    page.wait_for_function(asked)
    page.locator(".cn-variable > summary").click()
    page.locator(".cn-variable-value").get_by_role("button", name="app.__main__.send").click()
    page.wait_for_url(re.compile("var-task=app.__main__.send"))
    expect(page.locator("#rates .cn-source")).to_contain_text("1 series")
    expect(page.locator(".cn-variable b")).to_have_text("app.__main__.send")
    assert visit.errors == []


def test_a_cell_has_files_and_once_the_notebook_is_too_large_for_a_link_it_offers_none(
    visit: Visit, site: Site
) -> None:
    page = visit.page
    page.goto(f"{site.url}/notebook?{urlencode(STILL)}")
    add(page, "PromQL")
    page.get_by_role("combobox", name="PromQL").fill(RATES)
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#query .cn-source")).to_contain_text("2 series")
    page.locator("#query summary", has_text="Export").click()
    files = page.locator("#query .cn-file", has_text="CSV")
    expect(files).to_have_css("opacity", "1")
    assert (files.bounding_box() or {"width": 0})["width"] > 200
    page.keyboard.press("Escape")

    link = page.locator("#query details", has_text="Link")
    link.locator("summary").click()
    expect(link.get_by_role("button", name="Copy frozen link")).to_be_visible()
    page.keyboard.press("Escape")
    add(page, "Text")
    page.get_by_label("Markdown").fill("".join(chr(0x4E00 + k * k % 20_000) for k in range(4000)))
    page.get_by_role("button", name="Done").click()
    expect(page.locator("[data-too-large^='This notebook']")).to_have_count(1)
    link.locator("summary").click()
    expect(link).to_contain_text("This notebook is too large to travel in a link as it is now: save it first.")
    expect(link.get_by_role("button", name="Copy frozen link")).to_have_count(0)
    assert visit.errors == []


def test_what_was_pasted_is_still_there_to_be_mended_when_it_is_refused(visit: Visit, site: Site) -> None:
    page = visit.page
    page.goto(f"{site.url}/notebooks")
    page.locator("summary", has_text="Paste").click()
    page.get_by_label("A notebook as text").fill("+++\ncelery_notebook = 99\n+++\n")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("line 2")
    expect(page.get_by_label("A notebook as text")).to_have_value(re.compile("celery_notebook = 99"))
    expect(page.get_by_role("button", name="Open", exact=True)).to_be_focused()
    assert visit.errors == []
