"""One queue: what is known of it as facts, and what is inside it as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from cells.facts import Fact, Facts, Section
from cells.table import Column, Table, linked, records
from cells.views.queues import CONSUMERS, at_least, drain, per_minute, priorities
from cells.views.workers import workers
from data_sources.answer import Answer
from data_sources.microseconds import ms
from data_sources.queue_query import Xray

MIX = (
    Column("task", "task", "code", unknown="not told in the headers"),
    Column("messages", "messages", "number", "Of those that were looked at"),
    Column("share", "share", "percent"),
    Column("next", "taken next", "number", "At the end that workers take from"),
    Column("newest", "came last", "number", "At the end that producers put in"),
    Column("mean_bytes", "arguments", "bytes", "Their mean size, as they are sent"),
    Column("most_bytes", "largest", "bytes"),
    Column("with_eta", "with ETA", "number"),
    Column("expired", "expired", "number", "Workers will drop them: their time to be run is over"),
    Column("retried", "retried", "number"),
    Column("origins", "sent by", "names", "The machines that sent them"),
)
INSIDE = (
    Column("place", "place", "text", "From the end that it stands at"),
    Column("task", "task", "code", unknown="not told in the headers"),
    Column("id", "id", "code"),
    Column("body_bytes", "arguments", "bytes", "As they are sent: measured, never decoded"),
    Column("eta", "ETA", "moment", unknown="none"),
    Column("expires", "expires", "moment", unknown="never"),
    Column("retries", "retries", "number"),
    Column("origin", "sent by", "code"),
    Column("priority", "priority", "number"),
)
ENDS = {"next": "next", "newest": "last"}


def facts(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Facts:
    """All that the broker and the workers say of it."""
    row = next(iter(records(frame)), None)
    if row is None:
        return Facts(
            empty=(
                "There is no queue of this name here. On Redis an empty queue that nobody declared is no key at all.",
                "Check the name, and that broker URL, database or vhost, and global_keyprefix are those of your app.",
            )
        )
    eta = ms(row["next_eta"])
    steps = [Fact(f"priority {step}", count, "number") for step, count in priorities(row["priorities"])]
    flow = "the last minutes, or no task events tell the queue"
    waits = (
        Fact("ready", row["ready"], "number"),
        *(steps if len(steps) > 1 else ()),
        Fact(
            "oldest", at_least(row["oldest"], row["oldest_at_least"]), "seconds", unknown=oldest_unknown(row["ready"])
        ),
        Fact("in a minute", per_minute(row["in_rate"]), "number", unknown=f"not known of {flow}"),
        Fact("out a minute", per_minute(row["out_rate"]), "number", unknown=f"not known of {flow}"),
        Fact("more a minute", per_minute(row["growth"]), "number", unknown="not watched for a minute yet"),
        Fact("empty in", drain(row), "seconds", unknown="not watched for a minute yet"),
    )
    held = (
        Fact("unacked", row["unacked"], "number", "Running, prefetched, or held for an ETA"),
        Fact("oldest of them", row["oldest_unacked"], "seconds", unknown="none, or the broker does not tell"),
        Fact("for later", row["scheduled"], "number", "Held for an ETA", "workers know, not this broker"),
        Fact("next of them", eta, "moment", unknown="none"),
        Fact(
            "will run twice", row["twice"], "number", "ETA beyond the visibility timeout", "only Redis has such a time"
        ),
        Fact("held too long", row["overdue"], "number", "Beyond the visibility timeout", "only Redis has such a time"),
        Fact("consumers", row["consumers"], "number", unknown=CONSUMERS.unknown),
    )
    made = (
        Fact("type", row["type"]),
        Fact("memory", row["memory"], "bytes"),
        Fact("messages", row["message_bytes"], "bytes", "Their bodies"),
        Fact("message TTL", row["message_ttl"], "seconds", unknown="messages stay"),
        Fact("expires", row["expires"], "seconds", unknown="the queue stays"),
        Fact("dead letters", row["dead_letter"], "code", unknown="are dropped"),
    )
    sections = (Section("Waits", waits), Section("Held by workers", held))
    return Facts((*sections, Section("Made of", made)) if row["type"] else sections)


def oldest_unknown(ready: int | None) -> str:
    return "nothing waits" if ready == 0 else "not looked at, or the broker keeps no time of publishing"


def consumers(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """The workers that consume it."""
    nobody = (
        "No worker that was seen here consumes it.",
        "A worker consumes what its -Q names, or else the queues of task_queues and task_default_queue.",
    )
    return replace(workers(frame, beside), empty=nobody)


def mix(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """What a sample is made of, by task; each leads to what ran of it from this queue."""
    asked = beside["rows"].query
    assert isinstance(asked, Xray)
    rows = [
        [
            row["task"] and linked(row["task"], "/tasks", name=row["task"], queue=asked.queue),
            *(row[column.name] for column in MIX[1:]),
        ]
        for row in records(frame)
    ]
    return Table(MIX, rows, nothing(beside))


def inside(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """The messages that were looked at, as they stand."""
    rows = [
        [
            f"{ENDS[row['end']]} {row['place'] + 1}",
            row["task"],
            row["id"] and linked(row["id"], "/task", id=row["id"]),
            row["body_bytes"],
            ms(row["eta"]),
            ms(row["expires"]),
            row["retries"],
            row["origin"],
            row["priority"],
        ]
        for row in records(frame)
    ]
    return Table(INSIDE, rows, nothing(beside), left_out=len(frame) - len(rows))


def nothing(beside: Mapping[str, Answer]) -> tuple[str, ...]:
    """Why there is nothing to see: it cannot be looked at, or is empty."""
    why = tuple(f"{note.text}." for note in beside["rows"].notes if note.kind == "absent")
    return why or ("Nothing waits in this queue right now.",)
