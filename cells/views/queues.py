"""Queues as tables: how much waits, what flows through, what is left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from cells.table import Column, Table, linked, records, sparklines
from data_sources.answer import Answer
from data_sources.microseconds import ms

QUEUE = Column("queue", "queue")
FLAGS = Column("flags", "look at", "flags")
READY = Column("ready", "ready", "number", "Waiting in the queue, over all priorities")
UNACKED = Column(
    "unacked",
    "unacked",
    "number",
    "Delivered to a worker and not acknowledged: running, prefetched or held for an ETA",
)
TREND = Column("trend", "waiting", "spark")
CONSUMERS = Column(
    "consumers", "consumers", "number", "Workers that consume it", "one that may consume it is silent, or has not said"
)
OLDEST = Column(
    "oldest",
    "oldest",
    "seconds",
    "How long the first message has waited; at least, where its coming was not seen",
    "not looked at, or the broker keeps no time of publishing",
)

FLOW = "RabbitMQ's own rates, elsewhere what ended by task events, and the growth of the queue"
NO_FLOW = "no task events tell the queue"

QUEUES = (QUEUE, READY, UNACKED, TREND, CONSUMERS, OLDEST)
ALL = (
    QUEUE,
    FLAGS,
    READY,
    Column("priorities", "by priority", "bars", "Ready, by priority step"),
    TREND,
    Column("in", "in / min", "number", f"Messages that came; {FLOW}", NO_FLOW),
    Column("out", "out / min", "number", f"Messages it was rid of; {FLOW}", NO_FLOW),
    Column("drain", "empty in", "seconds", "If it goes on as in the last minutes", "not watched for a minute yet"),
    OLDEST,
    UNACKED,
    Column(
        "scheduled", "for later", "number", "Held by a worker for an ETA or countdown", "workers know, not the broker"
    ),
    Column("next_eta", "next", "moment", "The first ETA of those", "none"),
    CONSUMERS,
    Column("type", "type"),
    Column("memory", "memory", "bytes"),
    Column("message_bytes", "messages", "bytes", "The bodies of its messages"),
    Column("message_ttl", "message TTL", "seconds", "After that RabbitMQ drops a message", "messages stay"),
    Column("expires", "expires", "seconds", "Without use it is deleted after that", "the queue stays"),
    Column("dead_letter", "dead letters", "code", "The exchange for what is rejected or expired", "are dropped"),
)
# Only some brokers tell these: a column that nobody fills is not shown.
OPTIONAL = ("priorities", "next_eta", "type", "memory", "message_bytes", "message_ttl", "expires", "dead_letter")

FLAG_TEXTS = {
    "nobody": ("nobody consumes it", "bad", "Messages wait, and no worker that answers consumes this queue"),
    "grows": ("only grows", "warn", "More came than went, and not only in a burst"),
    "twice": ("{twice:,} will run twice", "bad", "Held for an ETA beyond the visibility timeout: delivered once more"),
}
TEACH = (
    "No queue found. A queue is seen when a worker consumes it or a producer has declared it.",
    "Check that broker URL, database or vhost, and global_keyprefix are the ones your app uses.",
)

LEFT = (
    Column("what", "what"),
    Column("name", "queue", "code"),
    Column("count", "messages", "number"),
    Column("age", "for at least", "seconds", unknown="not seen yet for how long"),
    Column("advice", "what it is"),
    Column("command", "what to do", "code", unknown="its name cannot be typed safely"),
)
LEFT_TEXTS = {
    "overdue": "held too long",
    "nobody": "consumed by nobody",
    "reply queue": "replies of remote control",
    "worker mailbox": "mailbox of a worker",
    "event queue": "event queue",
    "event queue without limits": "event queue without limits",
}
NOTHING_LEFT = (
    "Nothing is left behind: no replies nobody read, no event queues of monitors that are gone, nothing held too long.",
)


def queues(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """The few columns of the Overview; `beside["depth"]` fills the sparkline."""
    return table(QUEUES, frame, beside)


def all_queues(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """All that is known of every queue, those to look at first."""
    work = frame[~frame["internal"]]
    return table([column for column in ALL if is_told(column.name, work)], frame, beside)


def is_told(column: str, frame: pd.DataFrame) -> bool:
    if column == "priorities":
        return any(len(priorities(text)) > 1 for text in frame["priorities"].unique())
    return column not in OPTIONAL or bool(frame[column].notna().any())


def table(columns: Sequence[Column], frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Work queues, and apart from them Celery's own."""
    sparks = sparklines(beside.get("depth"))
    rows: dict[bool, list[list[Any]]] = {False: [], True: []}
    order = frame["flags"].map(len).sort_values(ascending=False, kind="stable").index
    for row in records(frame.loc[order]):
        values = row | {
            "queue": linked(row["queue"], "/queue", name=row["queue"]),
            "flags": flags(row) or None,
            "trend": sparks.get(row["queue"]),
            "oldest": at_least(row["oldest"], row["oldest_at_least"]),
            "priorities": [[step, count] for step, count in priorities(row["priorities"])] or None,
            "in": per_minute(row["in_rate"]),
            "out": per_minute(row["out_rate"]),
            "drain": drain(row),
            "next_eta": ms(row["next_eta"]),
        }
        rows[row["internal"]].append([values[column.name] for column in columns])
    left_out = len(frame) - len(rows[False]) - len(rows[True])
    return Table(tuple(columns), rows[False], TEACH, rows[True], "Celery's own queues", left_out)


def flags(row: Mapping[str, Any]) -> list[list[str]]:
    told = [FLAG_TEXTS[flag] for flag in row["flags"]]
    return [[text.format(twice=row["twice"]), tone, title] for text, tone, title in told]


@lru_cache(1024)  # most queues are empty
def priorities(text: object) -> tuple[tuple[str, int], ...]:
    """Ready by priority step, those that hold none left out."""
    return tuple((step, count) for step, count in json.loads(text).items() if count) if isinstance(text, str) else ()


def per_minute(rate: float | None) -> float | None:
    return None if rate is None else rate * 60


def at_least(seconds: float | None, least: float | None) -> float | list[float] | None:
    """A lower bound stands in a list; below a second it says nothing."""
    return seconds if seconds is not None or least is None or least < 1 else [least]


def drain(row: Mapping[str, Any]) -> float | str | None:
    """Where there is no time it can be told why; `records` made None of infinity."""
    if row["ready"] == 0:
        return "empty"
    if row["drain"] is not None or row["growth"] is None:
        return row["drain"]  # type: ignore[no-any-return]
    return "never" if row["grows"] or row["consumers"] == 0 else "steady"


def left_behind(frame: pd.DataFrame, _beside: Mapping[str, Answer]) -> Table:
    """What nobody fetches, with the command that mends it."""
    rows = [
        [LEFT_TEXTS[row["what"]], row["name"], row["count"], row["age"], row["advice"], row["command"]]
        for row in records(frame)
    ]
    return Table(LEFT, rows, NOTHING_LEFT, left_out=len(frame) - len(rows))
