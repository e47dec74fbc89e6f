"""What sharing a page takes: its links, a snapshot of what it shows, and, on a snapshot, what that is."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from cells import controls, show
from cells.making import Making, Wanted
from cells.page_view import View, link_params
from data_sources import ask
from data_sources.errors import SourceError
from data_sources.fields import one
from data_sources.microseconds import ms
from data_sources.sealed.answers import Sealed
from data_sources.sealed.file import LINK
from identity import of_headers
from workspace.keeping import MOST_TITLE
from workspace.snapshots import LIVES, MOST_LINK

TICK_SECONDS = 0.5


def state(view: View) -> dict[str, Any]:
    """For cells/browser/share.js. `now` and `span` (both ms): a frozen link is of the moment in which it is copied."""
    span = view.scope.range.span
    making: Making | None = st.session_state.get("cn_making")
    st.session_state["cn_making_shown"] = making and progress(making)
    st.session_state.pop("cn_notebook_text", None)  # a notebook's page says it anew in each run
    return {
        "here": link_params(view),
        "now": time.time() * 1000,
        "span": span and span.total_seconds() * 1000,
        "lives": list(LIVES),
        "making": making and making_payload(making),
        "snapshot": snapshot_payload(view),
    }


def making_payload(making: Making) -> dict[str, Any]:
    kept = making.snapshot
    return {
        "of": making.link,
        "stage": making.stage,
        "done": making.done,
        "total": making.total,
        "problem": making.problem,
        "missing": making.missing,
        "id": kept and kept.id,
        "link": kept and with_snapshot(kept.link, kept.id),
        "expires_at": kept and ms(kept.expires_at),
        "bytes": kept and kept.bytes,
    }


def snapshot_payload(view: View) -> dict[str, Any] | None:
    """What the page is answered from; `problem` when that is not there. None: it is live."""
    try:
        sealed = ask.desk().sealed(view.scope)
    except SourceError as error:
        return {"problem": f"{error.what[:1].upper()}{error.what[1:]}. {error.hint}."}
    if sealed is None:
        return None
    window = sealed.window(view.scope)
    return {
        "problem": "",
        "title": sealed.title,
        "link": with_snapshot(sealed.link, view.scope.snapshot),
        "made_by": sealed.made_by,
        "made_at": ms(sealed.made_at),
        "from": ms(window.start),
        "to": ms(window.end),
        "bundle": ask.desk().bundle is not None,
    }


def with_snapshot(link: str, id: str) -> str:
    return f"{link}{'&' if '?' in link else '?'}snapshot={id}" if id else link


def hear() -> None:
    """A snapshot of this page is wanted. What it asks is known when a run has ended, which a click may interrupt."""
    said = st.session_state.get("cn_controls", {}).get("share")
    if isinstance(said, dict) and said.get("life") in LIVES and is_link(str(said.get("link", ""))):
        st.session_state["cn_wanted"] = said


def make(path: str) -> None:
    """The snapshot that is wanted of the page at `path`, which has asked all it asks."""
    said = st.session_state.pop("cn_wanted", None)
    under_way: Making | None = st.session_state.get("cn_making")
    if said is None or one(controls.fields(), "snapshot") or (under_way and under_way.stage == "making"):
        return
    link, title = str(said["link"]), str(said.get("title", ""))[:MOST_TITLE]
    if urlsplit(link).path.strip("/") == path:  # and not of one that was left meanwhile
        person = of_headers(st.context.headers)
        notebook = st.session_state.get("cn_notebook_text", "")
        wanted = Wanted(tuple(show.asked()), title, link, person.name, LIVES[said["life"]], notebook)
        st.session_state["cn_making"] = Making(wanted)
        st.rerun()  # the controls say that it is being made


def is_link(text: str) -> bool:
    """Whether it leads to a page of ours and nowhere else."""
    return len(text) <= MOST_LINK and LINK.fullmatch(text) is not None


def follow(path: str) -> None:
    """While a snapshot is made, its progress is shown: the page is drawn again when there is more than it shows."""
    make(path)
    making: Making | None = st.session_state.get("cn_making")
    shown = st.session_state.get("cn_making_shown")
    if making is None or shown is None or shown[0] != "making":
        return

    def panel() -> None:
        if progress(making) != shown:
            controls.run_anew()

    st.fragment(panel, run_every=TICK_SECONDS)()


def progress(making: Making) -> tuple[str, int]:
    return making.stage, making.done


def notebook_of(view: View) -> str:
    """The text of the notebook that this snapshot was made of; "" when it was made of another page."""
    try:
        sealed: Sealed | None = ask.desk().sealed(view.scope)
    except SourceError:
        return ""
    return sealed.notebook if sealed else ""
