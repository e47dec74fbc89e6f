"""Celery Notebook. Run it: streamlit run dashboard.py"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from cells import assets as browser
from data_sources import ask, settings
from data_sources.errors import ConfigError
from recorder.start import Keeper
from routes import assets, export, health, metrics
from routes.guard import Guard
from routes.head_start import HeadStart

ROOT = Path(__file__).resolve().parent
try:
    SETTINGS = settings.load()
except ConfigError as error:
    raise SystemExit(f"Celery Notebook does not start: {error}") from None


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    keeper = Keeper(SETTINGS)
    keeper.start()
    ask.start(SETTINGS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: later collections need not look at it
    try:
        yield
    finally:
        await asyncio.gather(asyncio.to_thread(ask.stop), asyncio.to_thread(keeper.stop))


app = st.App(
    ROOT / "shell" / "main.py",
    lifespan=lifespan,
    routes=[*export.routes, *health.routes, *metrics.routes, *assets.routes],
    middleware=[
        Middleware(Guard, public_url=SETTINGS.public_url),
        Middleware(HeadStart, links=browser.LINKS, scripts=browser.SCRIPTS),
    ],
)
