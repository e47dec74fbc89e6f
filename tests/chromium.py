"""Headless Chromium: the system's, else Playwright's own."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

# Else each new window draws the address bar's pop-ups as pages of their own, which takes up to 2 s of a processor.
POPUPS = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--disable-features={POPUPS}"]


def chromium(playwright: Playwright) -> Browser:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
