"""Headless Chromium: the system's, else Playwright's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Playwright

# Else each new window draws the address bar's pop-ups as pages of their own, which takes up to 2 s of a processor.
POPUPS = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--disable-features={POPUPS}"]
PATIENCE_MS = 240_000  # it starts in a second


def chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=path(), args=ARGUMENTS, timeout=PATIENCE_MS)


def profile(playwright: Playwright, folder: Path, **options: Any) -> BrowserContext:
    """A browser of its own that keeps what a person's does, unlike a new context: scripts as they were compiled too."""
    return playwright.chromium.launch_persistent_context(
        folder, executable_path=path(), args=ARGUMENTS, timeout=PATIENCE_MS, **options
    )


def path() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
