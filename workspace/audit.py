"""The audit: what people did to a cluster, for 400 days. An action whose entry cannot be written is not done."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, delete, func, insert, select

from data_sources.mask import mask, mask_text
from data_sources.microseconds import MICROSECOND, microseconds, moment, now_us
from recorder.careful_clock import CarefulClock
from workspace.schema import audit
from workspace.store import Workspace

KEPT = timedelta(days=400)
MOST_TEXT = 2_000  # characters of a text
MOST_ARGUMENTS = 200_000  # characters of all arguments as JSON: the names of a thousand tasks and workers, and more
CUTS = ((MOST_TEXT, 1_000), (500, 100), (500, 10))  # characters of a text, entries of a list, until that fits

_clocks: WeakKeyDictionary[Workspace, CarefulClock] = WeakKeyDictionary()  # of those that this process writes


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something `who` did, or tried. `target`: a worker, queue or task; `outcome` is a word, `detail` explains it."""

    who: str
    from_address: str
    cluster: str
    action: str
    target: str
    arguments: Mapping[str, Any]
    outcome: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry(Act):
    """An act as it stands in the audit: masked, and long texts cut."""

    id: int
    at: datetime


def record(workspace: Workspace, act: Act) -> int:
    """The entry's id, once it is on disk, and those that are too old are gone.

    Raises SourceUnreachable or QueryRejected when it is not.
    """
    values = {
        "at_us": now_us(),
        "who": safe(act.who),
        "from_address": safe(act.from_address),
        "cluster": safe(act.cluster),
        "action": safe(act.action),
        "target": safe(act.target),
        "arguments": arguments_json(act.arguments),
        "outcome": safe(act.outcome),
        "detail": safe(act.detail),
    }
    with workspace.write() as connection:
        old_us = clock_of(workspace, connection).now_us() - KEPT // MICROSECOND
        connection.execute(delete(audit).where(audit.c.at_us < old_us))
        return int(connection.execute(insert(audit).values(values).returning(audit.c.id)).scalar_one())


def clock_of(workspace: Workspace, connection: Connection) -> CarefulClock:
    """What entries are too old by: a system clock that is set forward deletes none.

    Weeks may pass from one entry to the next, in which a careful clock would let the system's run ahead by years. So
    that counts no further than since the first entry was lived through.
    """
    if workspace not in _clocks:
        began_us, began = now_us(), monotonic()
        newest_us = connection.scalar(select(func.max(audit.c.at_us)))
        _clocks[workspace] = CarefulClock(
            newest_us or began_us, lambda: min(now_us(), began_us + int((monotonic() - began) * 1e6)), monotonic
        )
    return _clocks[workspace]


def entries(
    workspace: Workspace,
    limit: int = 100,
    before: int | None = None,
    *,
    cluster: str | None = None,
    actions: Collection[str] = (),
    outcomes: Collection[str] = (),
    since: datetime | None = None,
) -> list[Entry]:
    """The newest `limit` entries, newest first; `before`: those with a smaller id. What else is given must hold.

    Of a `cluster` are also those of none: what was tried by who may not.

    Raises SourceUnreachable.
    """
    # Of ids each would be looked at, back to the first; of times there is an index.
    newest = select(audit).order_by((audit.c.id if since is None else audit.c.at_us).desc()).limit(limit)
    if before is not None:
        newest = newest.where(audit.c.id < before)
    if cluster is not None:
        newest = newest.where(audit.c.cluster.in_((cluster, "")))
    if actions:
        newest = newest.where(audit.c.action.in_(actions))
    if outcomes:
        newest = newest.where(audit.c.outcome.in_(outcomes))
    if since is not None:
        newest = newest.where(audit.c.at_us >= microseconds(since))
    with workspace.read() as connection:
        rows = connection.execute(newest).mappings().all()
    return [
        Entry(
            **{name: row[name] for name in row if name not in ("at_us", "arguments")},
            at=moment(row["at_us"]),
            arguments=json.loads(row["arguments"]),
        )
        for row in rows
    ]


def safe(text: str) -> str:
    """`text` masked, cut, and without the NUL that PostgreSQL refuses."""
    return mask_text(text).replace("\0", "\ufffd")[:MOST_TEXT]


def arguments_json(arguments: Mapping[str, Any]) -> str:
    """What is long in them is cut, and no more: an outcome names the entry that it is of, however much was sent."""
    masked = mask(dict(arguments))
    written = json.dumps(masked, default=str)
    for most_text, most_entries in CUTS:
        if len(written) <= MOST_ARGUMENTS:
            break
        written = json.dumps(shortened(masked, most_text, most_entries), default=str)
    return written


def shortened(value: Any, most_text: int, most_entries: int) -> Any:
    match value:
        case str() if len(value) > most_text:
            return f"{value[:most_text]}… of {len(value):,} characters"
        case list():
            more = [f"… {len(value) - most_entries:,} more"] if len(value) > most_entries else []
            return [*(shortened(one, most_text, most_entries) for one in value[:most_entries]), *more]
        case dict():
            return {name: shortened(one, most_text, most_entries) for name, one in value.items()}
    return value
