"""Celery Notebook. Run it: streamlit run dashboard.py, or, for a bundle: streamlit run dashboard.py -- bundle.zip"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from cells import assets as browser
from cells.ahead import AHEAD
from control import desk as steering
from data_sources import ask, settings
from data_sources.access import check_listening
from data_sources.errors import ConfigError
from data_sources.sealed import bundle
from identity.who import Identity
from recorder.start import Keeper
from routes import assets, control, export, health, metrics, oidc, server
from routes import bundle as bundle_file
from routes.front_page import FrontPage
from routes.guard import Guard
from routes.head_start import HeadStart
from routes.sign_in import SignIn
from routes.turned_away import TurnedAway
from workspace import opened
from workspace.sealed_reader import SealedReader

ROOT = Path(__file__).resolve().parent
OURS = Path(sys.argv[0]).resolve() == Path(__file__).resolve()  # another server that runs us has arguments of its own
try:
    BUNDLE = bundle.named(sys.argv[1:] if OURS else ())
    SETTINGS = settings.load()
    if BUNDLE:
        KEPT = tempfile.TemporaryDirectory(prefix="celery-notebook-")  # what is kept beside it goes with this process
        SETTINGS = bundle.settings_for(BUNDLE, SETTINGS, KEPT.name)
    check_listening(SETTINGS.access, st.get_option("server.address"))
    oidc.check(SETTINGS.access, SETTINGS.public_url)
except ConfigError as error:
    raise SystemExit(f"Celery Notebook does not start: {error}") from None

IDENTITY = Identity(SETTINGS.access, SETTINGS.public_url, oidc.claims)
server.see_the_real_peer()
server.send_at_once()


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    keeper = Keeper(SETTINGS)
    if BUNDLE is None:
        keeper.start()
    ask.start(SETTINGS, BUNDLE)
    ask.desk().read_sealed = SealedReader(opened.start(SETTINGS))
    steering.start(SETTINGS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: later collections need not look at it
    if OURS:
        print(f"Celery Notebook is at {' and '.join(server.addresses(SETTINGS.public_url))}", flush=True)
    try:
        yield
    finally:
        stops = (steering.stop, ask.stop, opened.stop, *(() if BUNDLE else (keeper.stop,)))
        await asyncio.gather(*map(asyncio.to_thread, stops))


app = st.App(
    ROOT / "shell" / "main.py",
    lifespan=lifespan,
    routes=[
        *export.routes,
        *bundle_file.routes,
        *control.routes,
        *health.routes,
        *metrics.routes,
        *assets.routes,
        *SignIn(IDENTITY).routes,
    ],
    middleware=[
        Middleware(Guard, public_url=SETTINGS.public_url, identity=IDENTITY),
        Middleware(TurnedAway),
        *([Middleware(FrontPage, link=BUNDLE.link)] if BUNDLE else []),
        Middleware(HeadStart, tags=browser.tags, begin=AHEAD.begin),
    ],
)
