"""One worker: what it says of itself, and what it holds. Each answer is of this worker alone.

Of several processes of one name Celery's answers say `stats` alone of each; what they say alike is said once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from cells.facts import Fact, Facts, Section
from cells.table import Column, Table, linked, records
from cells.views.workers import memory_now, memory_of, said
from data_sources.answer import Answer
from data_sources.microseconds import ms

SILENT = "It has not answered: what it holds is not known."
NOT_HEARD = Facts(empty=("It has not answered: what it is made of is not known.",))
NAME, ID = Column("name", "task"), Column("id", "id", "code")
CALL = (Column("args", "arguments", "code"), Column("kwargs", "keyword arguments", "code"))
ACTIVE = (
    *(NAME, ID),
    Column("since", "started", "moment", unknown="it has not said"),
    *CALL,
    Column("process", "process", "number", "The process that runs it"),
)
RESERVED = (*(NAME, ID), *CALL, Column("queue", "routing key"), Column("redelivered", "delivered again", "flags"))
SCHEDULED = (*(NAME, ID), Column("due", "due", "moment"), Column("eta", "ETA", "time"), *CALL)
REVOKED = (ID,)
LIMITS = (
    *(NAME, Column("accepted", "accepted", "number", "Since the worker started")),
    Column("rate", "rate limit", unknown="none"),
    Column("soft", "soft time limit", unknown="none of its own"),
    Column("hard", "hard time limit", unknown="none of its own"),
    *(Column("exchange", "exchange", unknown="the default"), Column("key", "routing key", unknown="the default")),
)
QUEUES = (
    *(Column("queue", "queue"), Column("exchange", "exchange"), Column("type", "type")),
    Column("key", "routing key"),
    Column("flags", "is", "flags"),
    Column("ttl", "messages live", "seconds", unknown="for ever"),
    Column("most", "priorities up to", "number", unknown="none declared"),
    Column("arguments", "arguments", "code", unknown="none"),
)
SETTINGS = (Column("setting", "setting"), Column("value", "value", "code", unknown="None"))
RUSAGE = (
    ("utime", "processor time, own", "seconds"),
    ("stime", "processor time, system", "seconds"),
    ("nvcsw", "waited by itself", "number"),
    ("nivcsw", "was made to wait", "number"),
)


def verdict(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Facts:
    """What the witnesses say of each process of this name; `beside["memory"]`: by container, and `beside["hostnames"]`
    by its host name.
    """
    memory, rows = memory_now(beside), records(frame)
    sections = []
    for row, title in zip(rows, titles(rows), strict=True):
        witnesses = [Fact(witness, [text, at], "said") for witness, text, at in said(row)]
        judged = Fact("verdict", row["verdict"], "verdict")
        sections.append(Section(title, (judged, *witnesses)))
        own = memory_of(row["worker"], memory) if len(rows) == 1 else None
        sections.append(Section("State", state(row, own)))
    empty = "No worker of this name was seen in the last 24 h. Is it spelled as in celery worker -n NAME?"
    return Facts(tuple(sections), empty=(empty,))


def titles(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of processes of one name, whose numbers may be the same, as in containers."""
    processes, told, named = Counter(row["pid"] for row in rows), Counter[int | None](), []
    for pid in (row["pid"] for row in rows):
        told[pid] += 1
        which = f", {told[pid]} of {processes[pid]}" if processes[pid] > 1 else ""
        named.append("Verdict" if pid is None and not which else f"Process {'unknown' if pid is None else pid}{which}")
    return named


def state(row: Mapping[str, Any], memory: float | None) -> tuple[Fact, ...]:
    slots = None if row["active"] is None else [row["active"], row["concurrency"]]
    queues = row["queues"] and [linked(queue, "/queue", name=queue) for queue in row["queues"]]
    return (
        Fact("busy slots", slots, "gauge", unknown="it has not said what it runs"),
        Fact("consumes", queues, "names"),
        Fact("processed", row["processed"], "number", "Accepted since it started"),
        Fact("up", row["uptime"], "seconds", unknown="silent, or it did not say"),
        Fact("load", row["load"], "number", "Of its machine, over a minute", "no heartbeat told"),
        Fact("memory", memory, "bytes", "Of the container that is called as its host", "none known to be its own"),
        Fact("clock", row["clock_offset"], "seconds", "How far its clock is ahead of ours", "no heartbeat told"),
        Fact("software", row["software"], unknown="no heartbeat told"),
    )


def stats(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Facts:
    """The answer to `stats`: pool and processes, broker connection, what the system counts of the main process."""
    if frame.empty:
        return NOT_HEARD
    rows, sections = records(frame), []
    for row, title in zip(rows, titles(rows), strict=True):
        pool, broker, usage = (parsed(row[name]) for name in ("pool_details", "broker", "rusage"))
        made_of = (pool_section(row, pool), broker_section(broker), usage_section(row, usage))
        whose = f"{title}: " if len(rows) > 1 else ""
        sections += [replace(section, title=f"{whose}{section.title}") for section in made_of]
    return Facts(tuple(sections))


def pool_section(row: Mapping[str, Any], pool: Mapping[str, Any]) -> Section:
    given = pool.get("timeouts")
    soft, hard = given if isinstance(given, list) and len(given) == 2 else (None, None)
    scaled = None if row["autoscale_max"] is None else f"{row['autoscale_min']} to {row['autoscale_max']} slots"
    processes = pool.get("processes")
    return Section(
        "Pool",
        (
            Fact("kind", row["pool"]),
            Fact("slots", row["concurrency"], "number"),
            Fact("autoscaled", scaled, unknown="no"),
            Fact("processes", list(map(str, processes)) if isinstance(processes, list) else None, "names"),
            Fact("prefetch", row["prefetch_count"], "number", "How many messages it may hold at once"),
            Fact("tasks a process", text(pool.get("max-tasks-per-child")), unknown="not a pool of processes"),
            Fact("soft time limit", soft or None, "seconds", unknown="none"),
            Fact("hard time limit", hard or None, "seconds", unknown="none"),
        ),
    )


def broker_section(broker: Mapping[str, Any]) -> Section:
    address = f"{broker.get('hostname')}:{broker.get('port')}/{broker.get('virtual_host')}" if broker else None
    return Section(
        "Its connection to the broker",
        (
            Fact("broker", address, "code"),
            Fact("transport", text(broker.get("transport"))),
            Fact("heartbeat", number(broker.get("heartbeat")), "seconds", unknown="none"),
            Fact("TLS", None if "ssl" not in broker else "yes" if broker["ssl"] else "no"),
            Fact("login by", text(broker.get("login_method")), unknown="the transport's own way"),
        ),
    )


def usage_section(row: Mapping[str, Any], usage: Mapping[str, Any]) -> Section:
    counted = (Fact(label, number(usage.get(name)), kind) for name, label, kind in RUSAGE)
    return Section(
        "Its main process",
        (
            Fact("pid", text(row["pid"])),
            Fact("up", row["uptime"], "seconds"),
            *counted,
        ),
    )


def active(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    rows = [
        [*task(row), ms(row["time_start"]), row["args"], row["kwargs"], row["worker_pid"]] for row in records(frame)
    ]
    return held(ACTIVE, rows, frame, beside, "It runs nothing now.")


def reserved(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Taken from the queue and not started."""
    again = [["again", "warn", "It was delivered before, and not acknowledged"]]
    rows = [
        [*task(row), row["args"], row["kwargs"], row["routing_key"], again if row["redelivered"] else None]
        for row in records(frame)
    ]
    return held(RESERVED, rows, frame, beside, "It has taken nothing that it does not run.")


def scheduled(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    rows = [[*task(row), ms(row["eta"]), ms(row["eta"]), row["args"], row["kwargs"]] for row in records(frame)]
    return held(SCHEDULED, rows, frame, beside, "It holds no task for a later time.")


def revoked(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    frame = frame.drop_duplicates()
    rows = [[linked(row["id"], "/task", id=row["id"])] for row in records(frame)]
    return held(REVOKED, rows, frame, beside, "It was told to leave out no task, since it started.")


def limits(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    """Every task it knows, with its limits; `beside["stats"]` tells how many of each it accepted, if it is alone."""
    counted, frame = beside["stats"].frame, frame.drop_duplicates()
    alone = len(counted) == 1
    totals = parsed(counted["total"].iloc[0] if alone else None)
    rows = []
    for row in records(frame):
        told = dict(pair.split("=", 1) for pair in (row["attributes"] or "").split(" ") if "=" in pair)
        name = linked(row["task"], "/tasks", name=row["task"])
        accepted = totals.get(row["task"], 0 if alone else None)
        fields = ("rate_limit", "soft_time_limit", "time_limit", "exchange", "routing_key")
        rows.append([name, accepted, *(told.get(field) for field in fields)])
    return held(LIMITS, rows, frame, beside, "It knows no task.")


def queues(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    frame = frame.drop_duplicates()
    rows = [
        [
            linked(row["queue"], "/queue", name=row["queue"]),
            row["exchange"] or None,
            row["exchange_type"],
            row["routing_key"],
            [
                [flag.replace("_", " "), "plain", ""]
                for flag in ("durable", "exclusive", "auto_delete", "no_ack")
                if row[flag]
            ],
            row["message_ttl"],
            row["max_priority"],
            row["queue_arguments"] if row["queue_arguments"] != "{}" else None,
        ]
        for row in records(frame)
    ]
    return held(QUEUES, rows, frame, beside, "It consumes no queue: it takes no task.")


def conf(frame: pd.DataFrame, beside: Mapping[str, Answer]) -> Table:
    frame = frame.drop_duplicates()
    rows = [[row["setting"], row["value"]] for row in records(frame)]
    return held(SETTINGS, rows, frame, beside, "It has Celery's defaults throughout.")


def held(
    columns: Sequence[Column], rows: list[list[Any]], frame: pd.DataFrame, beside: Mapping[str, Answer], empty: str
) -> Table:
    """`empty` says what it means that there is no row, if the worker has answered at all."""
    answered = beside["rows"].totals.get("answered")
    return Table(tuple(columns), rows, (empty if answered else SILENT,), left_out=len(frame) - len(rows))


def task(row: Mapping[str, Any]) -> list[Any]:
    return [row["name"], linked(row["id"], "/task", id=row["id"]) if row["id"] else None]


def parsed(given: str | None) -> Mapping[str, Any]:
    """A JSON object; empty when it is none."""
    value = json.loads(given) if given else {}
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
