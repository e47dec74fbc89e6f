"""What is inside a queue, from a sample of its messages.

Only headers are read; a body, which may be a pickle, is measured and not decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from data_sources.note import Note
from data_sources.workers.worker_facts import whole

TIME = "datetime64[ms, UTC]"
MESSAGE_COLUMNS = {
    "end": "str",  # next: what workers take first; newest: what came last
    "priority": "Int64",  # on Redis that of its list
    "place": "Int64",  # from that end, 0 is the first
    "task": "str",
    "id": "str",
    "body_bytes": "Int64",  # arguments, as they are sent
    "message_bytes": "Int64",  # all of it, where it stands as one text: on Redis
    "eta": TIME,
    "expires": TIME,
    "retries": "Int64",
    "origin": "str",  # the process that sent it
    "root_id": "str",
    "content_type": "str",
}
MIX_COLUMNS = {
    "task": "str",
    "messages": "Int64",  # of the sample
    "share": "float64",
    "next": "Int64",  # of those that are taken first
    "newest": "Int64",
    "mean_bytes": "float64",  # of bodies
    "most_bytes": "Int64",
    "with_eta": "Int64",  # this and the two below: NA where the task is not told, as all else then
    "expired": "Int64",  # their time to be run is over: workers will drop them
    "retried": "Int64",
    "most_retries": "Int64",
    "origins": "object",  # a list of hosts
}
UNITS = {"body_bytes": "bytes", "message_bytes": "bytes", "mean_bytes": "bytes", "most_bytes": "bytes"}
MAX_TEXT = 255
MAX_ORIGINS = 20


@dataclass(frozen=True)
class Sampled:
    """One message as it stands in a queue; `headers` are its producer's, and may hold anything."""

    end: str
    place: int
    headers: Mapping[str, Any]
    priority: object
    content_type: object
    body_bytes: int | None
    message_bytes: int | None = None


@dataclass(frozen=True)
class Sample:
    """`ready`: how many messages there are in the queue."""

    messages: tuple[Sampled, ...]
    ready: int
    notes: tuple[Note, ...]


def message_frame(sample: Sequence[Sampled] = ()) -> pd.DataFrame:
    """The columns of MESSAGE_COLUMNS; what a message does not tell is not known."""
    rows = [message_row(one) for one in sample]
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in MESSAGE_COLUMNS.items()}
    )


def message_row(sampled: Sampled) -> Mapping[str, Any]:
    headers = sampled.headers
    return {
        "end": sampled.end,
        "priority": whole(sampled.priority),
        "place": sampled.place,
        "task": text(headers.get("task")),
        "id": text(headers.get("id")),
        "body_bytes": sampled.body_bytes,
        "message_bytes": sampled.message_bytes,
        "eta": moment(headers.get("eta")),
        "expires": moment(headers.get("expires")),
        "retries": whole(headers.get("retries")),
        "origin": text(headers.get("origin")),
        "root_id": text(headers.get("root_id")),
        "content_type": text(sampled.content_type),
    }


def mix(messages: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """What `messages` are made of, the most first; the columns of MIX_COLUMNS. NA: the task is not told."""
    rows = [
        {
            "task": None if pd.isna(task) else task,
            "messages": len(of),
            "share": len(of) / len(messages),
            "next": int((of["end"] == "next").sum()),
            "newest": int((of["end"] == "newest").sum()),
            "mean_bytes": of["body_bytes"].astype("float64").mean(),
            "most_bytes": of["body_bytes"].max(),
            "with_eta": None if pd.isna(task) else int(of["eta"].notna().sum()),
            "expired": None if pd.isna(task) else int((of["expires"] < now).sum()),
            "retried": None if pd.isna(task) else int((of["retries"] > 0).sum()),
            "most_retries": of["retries"].max(),
            "origins": hosts(of["origin"]),
        }
        for task, of in messages.groupby("task", dropna=False, sort=True)
    ]
    rows.sort(key=lambda row: -row["messages"])
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in MIX_COLUMNS.items()}
    )


def hosts(origins: pd.Series[str]) -> list[str]:
    """The hosts of `gen123@host`, those of most messages first."""
    counted = Counter(origin.rpartition("@")[2] for origin in origins.dropna())
    return [host for host, _ in counted.most_common(MAX_ORIGINS)]


def text(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """ISO 8601, as Celery writes it; without an offset it means UTC."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
