"""A snapshot's answers to one method as a frame: a row a task, queue, setting or worker, with promised columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from data_sources.mask import ARGUMENTS
from data_sources.workers.snapshot import Snapshot
from data_sources.workers.worker_facts import concurrency, pool_name, task_totals, whole

Row = Mapping[str, Any]

TIME = "datetime64[ms, UTC]"
TASK = {
    "worker": "str",
    "id": "str",
    "name": "str",
    "args": "str",
    "kwargs": "str",
    "time_start": TIME,
    "acknowledged": "boolean",
    "exchange": "str",
    "routing_key": "str",
    "priority": "Int64",
    "redelivered": "boolean",
    "worker_pid": "Int64",
}

# The columns of each method's frame, also when it is empty; what celery gives in A.1 of its worker/control.py and
# worker/request.py (info). Structures are JSON text, seconds are seconds.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "ping": {"worker": "str", "ok": "str"},
    "clock": {"worker": "str", "clock": "Int64"},
    "stats": {
        "worker": "str",
        "pid": "Int64",
        "uptime": "Int64",
        "pool": "str",
        "concurrency": "Int64",
        "processed": "Int64",
        "prefetch_count": "Int64",
        "clock": "Int64",
        "autoscale_min": "Int64",
        "autoscale_max": "Int64",
        "total": "str",
        "pool_details": "str",
        "broker": "str",
        "rusage": "str",
    },
    "active": TASK,
    "reserved": TASK,
    "scheduled": TASK | {"eta": TIME},
    "revoked": {"worker": "str", "id": "str"},
    "registered": {"worker": "str", "task": "str", "attributes": "str"},
    "active_queues": {
        "worker": "str",
        "queue": "str",
        "exchange": "str",
        "exchange_type": "str",
        "routing_key": "str",
        "durable": "boolean",
        "exclusive": "boolean",
        "auto_delete": "boolean",
        "no_ack": "boolean",
        "expires": "float64",
        "message_ttl": "float64",
        "max_length": "Int64",
        "max_length_bytes": "Int64",
        "max_priority": "Int64",
        "queue_arguments": "str",
        "consumer_arguments": "str",
    },
    "conf": {"worker": "str", "setting": "str", "value": "str"},
    "report": {"worker": "str", "report": "str"},
    "query_task": {"worker": "str", "id": "str", "state": "str"} | TASK,
}


def inspect_frame(method: str, snapshot: Snapshot | None = None, *, hide_arguments: bool = False) -> pd.DataFrame:
    """The rows of `method`, worker by worker, with the columns of COLUMNS[method]; what is unknown, hidden or not of
    its type is NA. Without a snapshot it is empty. `hide_arguments` hides what tasks were called with.
    """
    hidden = ARGUMENTS if hide_arguments else frozenset()
    rows = [
        {**row, "worker": worker}
        for worker, value in sorted(snapshot.values(method) if snapshot else (), key=lambda pair: pair[0])
        for row in ROWS[method](value)
    ]
    return pd.DataFrame(
        {
            name: pd.array([None if name in hidden else READ[kind](row.get(name)) for row in rows], dtype=kind)
            for name, kind in COLUMNS[method].items()
        }
    )


def task_row(task: Any) -> Row:
    info = dict(task) if isinstance(task, dict) else {}
    return info | fields(info.pop("delivery_info", None), "exchange", "routing_key", "priority", "redelivered")


def tasks(value: list[Any]) -> Iterator[Row]:
    return (task_row(task) for task in value)


def scheduled(value: list[Any]) -> Iterator[Row]:
    """`priority` beside `request` is the timer's; the message's own is in its delivery_info."""
    for entry in value:
        if isinstance(entry, dict):
            yield {**task_row(entry.get("request")), "eta": entry.get("eta")}


def queried(value: dict[str, Any]) -> Iterator[Row]:
    for task_id, found in value.items():
        state, task = found if isinstance(found, list) and len(found) == 2 else (None, None)
        yield {**task_row(task), "id": task_id, "state": state}


def registered(value: list[Any]) -> Iterator[Row]:
    """`shop.sleep [rate_limit=10/m]`: the name ends before " [", and attributes are kept as they stand."""
    for task in value:
        name, _, attributes = str(task).partition(" [")
        yield {"task": name, "attributes": attributes.removesuffix("]") or None}


def queues(value: list[Any]) -> Iterator[Row]:
    for queue in value:
        if isinstance(queue, dict):
            exchange = fields(queue.get("exchange"), "name", "type")
            yield {**queue, "queue": queue.get("name"), "exchange": exchange["name"], "exchange_type": exchange["type"]}


def stats(value: dict[str, Any]) -> Iterator[Row]:
    totals = task_totals(value)
    scale = fields(value.get("autoscaler"), "min", "max")
    yield {
        **value,
        "pool": pool_name(value),
        "concurrency": concurrency(value),
        "processed": None if totals is None else sum(totals.values()),
        "autoscale_min": scale["min"],
        "autoscale_max": scale["max"],
        "pool_details": value.get("pool"),
    }


def conf(value: dict[str, Any]) -> Iterator[Row]:
    return ({"setting": name, "value": setting} for name, setting in sorted(value.items()))


ROWS: Mapping[str, Callable[[Any], Iterator[Row]]] = {
    "ping": lambda value: iter([value]),
    "clock": lambda value: iter([value]),
    "stats": stats,
    "active": tasks,
    "reserved": tasks,
    "scheduled": scheduled,
    "revoked": lambda value: ({"id": task_id} for task_id in value),
    "registered": registered,
    "active_queues": queues,
    "conf": conf,
    "report": lambda value: iter([{"report": value.get("ok")}]),
    "query_task": queried,
}


def fields(value: Any, *names: str) -> dict[str, Any]:
    """Those entries of what should be a mapping; None for each that is missing."""
    return {name: value.get(name) if isinstance(value, dict) else None for name in names}


def text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return None
    return float(value)


def truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """Epoch seconds (`time_start`) or ISO 8601 (`eta`; without an offset celery means UTC)."""
    try:
        if isinstance(value, str):
            when = datetime.fromisoformat(value)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
        seconds = number(value)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


READ: Mapping[str, Callable[[Any], Any]] = {
    "str": text,
    "Int64": whole,
    "float64": number,
    "boolean": truth,
    TIME: moment,
}
