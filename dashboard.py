"""Celery Notebook. Run it: streamlit run dashboard.py"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
import uvicorn.config
from starlette.middleware import Middleware

from cells import assets as browser
from control import desk as steering
from data_sources import ask, settings
from data_sources.access import check_listening
from data_sources.errors import ConfigError
from identity.who import Identity
from recorder.start import Keeper
from routes import assets, control, export, health, metrics, oidc
from routes.guard import Guard
from routes.head_start import HeadStart
from routes.sign_in import SignIn
from workspace import opened

ROOT = Path(__file__).resolve().parent
try:
    SETTINGS = settings.load()
    check_listening(SETTINGS.access, st.get_option("server.address"))
    oidc.check(SETTINGS.access, SETTINGS.public_url)
except ConfigError as error:
    raise SystemExit(f"Celery Notebook does not start: {error}") from None

IDENTITY = Identity(SETTINGS.access, SETTINGS.public_url, oidc.claims)
# It would take what X-Forwarded-For says for the address of whoever asks; the guard has to see who really does.
uvicorn.config.ProxyHeadersMiddleware = lambda app, trusted_hosts: app  # type: ignore[attr-defined, assignment, misc]


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    keeper = Keeper(SETTINGS)
    keeper.start()
    ask.start(SETTINGS)
    steering.start(SETTINGS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: later collections need not look at it
    try:
        yield
    finally:
        await asyncio.gather(*map(asyncio.to_thread, (steering.stop, ask.stop, keeper.stop, opened.stop)))


app = st.App(
    ROOT / "shell" / "main.py",
    lifespan=lifespan,
    routes=[*export.routes, *control.routes, *health.routes, *metrics.routes, *assets.routes, *SignIn(IDENTITY).routes],
    middleware=[
        Middleware(Guard, public_url=SETTINGS.public_url, identity=IDENTITY),
        Middleware(HeadStart, links=browser.LINKS, scripts=browser.SCRIPTS),
    ],
)
