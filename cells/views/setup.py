"""What is connected, what is off and how it is turned on, and what the history is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cells.facts import Fact, Facts, Section
from cells.table import Column, Table, records
from data_sources.answer import Answer
from data_sources.microseconds import ms
from data_sources.setup.parts import part

CONNECTED = (
    Column("part", "source"),
    Column("state", "state", "flags"),
    Column("what", "what it says", unknown="nothing yet"),
    Column("address", "where", "code", "Without credentials", "it has no address of its own"),
    Column("latency", "ms", "number", "How long its last answer took", "not measured"),
    Column("measured", "told", "moment", unknown="not yet"),
)
WORDS = {"failing": "failing", "pending": "not asked yet", "unknown": "not known", "partly": "in part"}
TONES = {"ok": "good", "failing": "bad", "partly": "warn"}
NOTHING = ("Nothing is connected, or nothing of it has this state.",)
ALL_ON = ("Nothing is off.", "What Celery Notebook can show of this cluster, it shows.")
HOW = {True: "by itself: it goes on when the dashboard ends", False: "by a dashboard, with which it ends"}


def connected(frame: pd.DataFrame, _beside: Mapping[str, Answer]) -> Table:
    """A row a source, in the order people look for them."""
    rows = [
        [
            part(row["part"]).label,
            [[word(row), TONES.get(row["state"], "plain"), row["gives"]]],
            said(row),
            row["address"],
            row["latency_ms"],
            ms(row["measured_at"]),
        ]
        for row in records(frame)
    ]
    return Table(CONNECTED, rows, NOTHING)


def word(row: Mapping[str, Any]) -> str:
    return part(row["part"]).is_on if row["state"] == "ok" else WORDS.get(row["state"], row["state"])


def said(row: Mapping[str, Any]) -> str | None:
    """What is wrong comes with what to do."""
    texts = [text.rstrip(".") for text in (row["what"], row["advice"]) if text]
    return ". ".join(texts) if row["state"] == "failing" else row["what"]


def off(frame: pd.DataFrame, _beside: Mapping[str, Answer]) -> Facts:
    """What is not there, or not for all: what it would give, and the exact setting."""
    sections = [
        Section(
            part(row["part"]).label,
            (
                Fact("now", row["what"]),
                Fact("would give", row["gives"]),
                Fact("set", row["setting"], "code"),
                *([Fact("how", row["advice"])] if row["advice"] else []),
            ),
        )
        for row in records(frame)
    ]
    return Facts(tuple(sections), empty=ALL_ON)


def history(frame: pd.DataFrame, _beside: Mapping[str, Answer]) -> Facts:
    row = next(iter(records(frame)), None)
    if row is None:
        return Facts(empty=("Nothing is known of the history yet.",))
    kept = (
        Fact("in", row["store"]),
        Fact("at", row["place"], "code", "HISTORY_URL names another place"),
        Fact("takes", row["size_bytes"], "bytes", unknown="the recorder has not said"),
        Fact("at most", row["most_bytes"], "bytes", "HISTORY_SIZE: the oldest tasks go first", "the recorder's own"),
        Fact("tasks are kept for", row["keep_seconds"], "seconds", "HISTORY_KEEP", "the recorder has not said"),
        Fact("recorded since", ms(row["began"]), "time"),
        Fact("single tasks since", ms(row["kept_from"] or row["began"]), "time", "Older ones were deleted"),
    )
    writes = (
        Fact("version", row["recorder"]),
        Fact("process", None if row["pid"] is None else f"{row['pid']} on {row['host']}"),
        Fact("writes since", ms(row["since"]), "time"),
        Fact("was started", HOW.get(row["alone"]), unknown="it has not said how"),
        Fact("last sign of life", ms(row["last_seen"]), "moment"),
        Fact("task events written", row["events"], "number", "Since it began"),
        Fact("last of them", ms(row["last_event"]), "moment", unknown="none"),
        Fact("waits to be written", row["lag_seconds"], "seconds", "The oldest of what it heard"),
        Fact("lost for want of room", row["dropped"], "number", "Events"),
    )
    return Facts((Section("Kept", kept), Section("Its recorder", writes)))
