"""Runs around every page: the controls all pages share, then the page that the URL names."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from cells import controls, share, show
from cells.operator import operator
from identity import of_headers

ROOT = Path(__file__).resolve().parents[1]
ICON = str(ROOT / "cells" / "browser" / "icon.svg")
MENU = {
    "overview": "Overview",
    "workers": "Workers",
    "tasks": "Tasks",
    "queues": "Queues",
    "schedule": "Schedule",
    "explore": "Explore",
    "notebooks": "Notebooks",
    "setup": "Setup",
}
OF_OPERATORS = {"audit": "Audit"}
# And where they are found.
ONE_OF = {
    "worker": "workers",
    "task": "tasks",
    "queue": "queues",
    "run": "tasks",
    "notebook": "notebooks",
    "snapshots": "notebooks",
}

st.set_page_config(page_title="Celery Notebook", page_icon=ICON, layout="wide")
titles = MENU | OF_OPERATORS | {name: name.capitalize() for name in ONE_OF}
pages = {
    name: st.Page(ROOT / "pages" / f"{name}.py", title=title, default=name == "overview")
    for name, title in titles.items()
}
page = st.navigation(list(pages.values()), position="hidden")
here = page.url_path
person = of_headers(st.context.headers)
if not person.reads:
    controls.notice("Your time here is over. Reload the page to sign in again.")
    st.stop()  # below the navigation, so that page and parameters stay in the address
menu = MENU | OF_OPERATORS if operator() else MENU
listed = [(pages[name].url_path, title) for name, title in menu.items()]
target = controls.draw(listed, ONE_OF.get(here, here), person, share.state, share.hear)
if target:
    if target.takes:
        show.take(target.takes, page.title)
    wanted = next((page for page in pages.values() if page.url_path == target.path), page)
    st.switch_page(wanted, query_params=target.params)
show.begin(here)
with suppress(show.End):
    page.run()
show.ended()
share.follow(here)
