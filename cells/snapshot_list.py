"""The snapshots that are kept, and those that can be had back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cells import component
from cells.share import with_snapshot
from data_sources.errors import SourceError
from data_sources.microseconds import ms
from identity import of_headers
from workspace import snapshots
from workspace.opened import opened
from workspace.snapshots import Snapshot


def snapshot_list() -> None:
    problem: str = st.session_state.pop("cn_snapshots_problem", "")
    try:
        kept, deleted = snapshots.listed(opened()), snapshots.listed(opened(), deleted=True)
    except SourceError as error:
        kept, deleted, problem = [], [], said(error)
    component.snapshots(
        key="cn_snapshots",
        data={"kept": [line(one) for one in kept], "deleted": [line(one) for one in deleted], "problem": problem},
        on_change_change=hear,
    )


def line(one: Snapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "link": with_snapshot(one.link, one.id),
        "made_by": one.made_by,
        "made_at": ms(one.made_at),
        "expires_at": ms(one.expires_at),
        "answers": one.answers,
        "bytes": one.bytes,
        "deleted_by": one.deleted_by,
    }


def hear() -> None:
    """Only soft deletion, so whoever may read may do it; the list says who did."""
    try:
        match st.session_state.get("cn_snapshots", {}).get("change"):
            case {"delete": str(id)}:
                snapshots.delete_snapshot(opened(), id, of_headers(st.context.headers).name)
            case {"restore": str(id)}:
                snapshots.restore_snapshot(opened(), id)
    except SourceError as error:
        st.session_state["cn_snapshots_problem"] = said(error)


def said(error: SourceError) -> str:
    return ". ".join(filter(None, (str(error), error.hint)))
