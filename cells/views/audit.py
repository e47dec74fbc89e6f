"""The audit's entries as a table: who did what, when, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cells.table import Column, Table, linked, records
from data_sources.answer import Answer
from data_sources.microseconds import ms

ENTRIES = (
    Column("at", "when", "time"),
    Column("who", "who"),
    Column("action", "did", help="Celery's own name of it"),
    Column("target", "to"),
    Column("outcome", "outcome", "flags", "Asked first; then what came of it"),
    Column("detail", "what was said", unknown="nothing"),
    Column("arguments", "with", "code", "Secrets are masked"),
    Column("from_address", "from", unknown="not told"),
    Column("id", "entry", "number"),
)
TONES = {"done": "plain", "asked": "plain", "partly": "warn", "unconfirmed": "warn"}  # all else is bad
OF_TASKS = ("revoke", "retry", "send_task")
CUT = 300
NOTHING = (
    "Nothing was steered from here, as far as this workspace goes back.",
    "Each order has an entry before it is given: who asked for it, from where, and with what.",
)


def entries(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """As they stand, the newest first."""
    return Table(ENTRIES, [entry(row) for row in records(frame)], NOTHING)


def entry(row: Mapping[str, Any]) -> list[Any]:
    arguments = json.dumps(row["arguments"], ensure_ascii=False) if row["arguments"] else ""
    shown = {column.name: row[column.name] or None for column in ENTRIES}
    shown |= {
        "at": ms(row["at"]),
        "target": target(row),
        "outcome": [[row["outcome"], TONES.get(row["outcome"], "bad"), ""]],
        "arguments": f"{arguments[:CUT]}…" if len(arguments) > CUT else arguments or None,
    }
    return [*shown.values()]


def target(row: Mapping[str, Any]) -> Any:
    """It leads to the page of what it names; one of several names nothing."""
    name, arguments = row["target"], row["arguments"] or {}
    order = arguments.get("order", {})
    if row["action"] == "purge":
        return linked(name, "/queue", name=name)
    if row["action"] in OF_TASKS:
        return linked(name, "/task", id=name) if name in order.get("id", ()) else name or None
    alone = name in (*arguments.get("workers", ()), *arguments.get("done", ()))
    return linked(name, "/worker", name=name) if alone else name or None
