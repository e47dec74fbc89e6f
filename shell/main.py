"""Runs around every page: the controls all pages share, then the page that the URL names."""

from pathlib import Path

import streamlit as st

from cells import controls

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "pages"
ICON = str(ROOT / "cells" / "browser" / "icon.svg")

st.set_page_config(page_title="Celery Notebook", page_icon=ICON, layout="wide")
page = st.navigation([st.Page(PAGES / "overview.py", title="Overview", default=True)], position="hidden")
controls.draw()
page.run()
