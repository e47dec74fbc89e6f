"""The audit's entries as an answer, for pages and exports."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from data_sources.answer import Answer
from data_sources.audit_query import AUDIT_COLUMNS, Audit
from workspace.audit import entries
from workspace.store import Workspace


def audit_answer(workspace: Workspace, query: Audit, cluster: str) -> Answer:
    """A row an entry, newest first, columns AUDIT_COLUMNS. Raises SourceUnreachable."""
    began = time.monotonic()
    found = entries(workspace, query.limit + 1, query.before, cluster=cluster)
    shown = found[: query.limit]
    return Answer(
        pd.DataFrame(
            {name: pd.Series([getattr(one, name) for one in shown], dtype=kind) for name, kind in AUDIT_COLUMNS.items()}
        ),
        query,
        origin=f"Workspace {workspace.home.address}",
        measured_at=datetime.now(UTC),
        took=timedelta(seconds=time.monotonic() - began),
        next=replace(query, before=shown[-1].id) if len(found) > len(shown) else None,
    )
