"""The history itself: where it is, how much it takes, how long it keeps what, and who writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from data_sources.answer import Answer
from data_sources.history.answers import answered
from data_sources.history.extent import began_us, kept_from_us
from data_sources.history.heard import was_accepted
from data_sources.history.place import Place, SqlitePlace
from data_sources.history.reader import HistoryReader
from data_sources.history.rows import name_texts
from data_sources.latest import RecorderState
from data_sources.microseconds import microseconds, moment
from data_sources.now_frames import row_frame
from data_sources.poller import Reading
from data_sources.schema import SAMPLE_LEVELS, STATES, tasks
from data_sources.scope import Window, floor_time
from data_sources.setup_query import Recording

COLUMNS = {
    "place": "str",  # a path, or host, port, database and schema; never a credential
    "store": "str",  # SQLite or PostgreSQL
    "began": "datetime64[us, UTC]",
    "kept_from": "datetime64[us, UTC]",  # single tasks; NA: since it began
    "size_bytes": "Int64",
    "most_bytes": "Int64",  # HISTORY_SIZE
    "keep_seconds": "float64",  # HISTORY_KEEP
    "recorder": "str",  # its version
    "pid": "Int64",
    "host": "str",
    "since": "datetime64[us, UTC]",  # when that process took the history over
    "alone": "boolean",  # whether it was started by itself, and outlives the dashboard
    "last_seen": "datetime64[us, UTC]",
    "lag_seconds": "float64",  # how long the oldest of what is heard and not written has waited
    "events": "Int64",  # of tasks, that it wrote
    "last_event": "datetime64[us, UTC]",
    "dropped": "Int64",  # events, for want of room
    "tasks_seen": "Int64",  # the newest of which workers told, SEEN at most
    "tasks_sent": "Int64",  # those of them of which it was told when they were sent
    "unsent": "object",  # tasks by name of which that was told of none, though FEW of them are among these
    "task_seen_last": "datetime64[us, UTC]",
    "accepted": "boolean",  # whether workers took on tasks in the last hour, by their own totals
}
UNITS = {"size_bytes": "bytes", "most_bytes": "bytes", "keep_seconds": "s", "lag_seconds": "s"}
SEEN, FEW = 200, 3
HOUR, STEP = timedelta(hours=1), timedelta(seconds=SAMPLE_LEVELS[0])


@dataclass(frozen=True)
class Written:
    """What stands in a history itself."""

    began: datetime | None
    kept_from: datetime | None
    tasks_seen: int
    tasks_sent: int
    unsent: list[str]
    task_seen_last: datetime | None
    accepted: bool


def recording_answer(reader: HistoryReader, query: Recording, recorder: Reading[RecorderState]) -> Answer:
    """A row, the columns of COLUMNS. Raises SourceError."""

    def read(connection: Connection) -> Answer:
        known = asdict(written(connection, datetime.now(UTC)))
        return Answer(row_frame([{**dict.fromkeys(COLUMNS), **about(reader.place, recorder), **known}], COLUMNS), query)

    answer = answered(reader, read)
    return Answer(answer.frame, query, UNITS, origin=answer.origin, measured_at=answer.measured_at, took=answer.took)


def about(place: Place, recorder: Reading[RecorderState]) -> dict[str, object]:
    """What is known without a look into it."""
    told = recorder.value
    where: dict[str, object] = {
        "place": place.address,
        "store": "SQLite" if isinstance(place, SqlitePlace) else "PostgreSQL",
        "last_seen": recorder.measured_at,
    }
    if told is None:
        return where
    return where | {
        "size_bytes": told.size_bytes,
        "most_bytes": told.most_bytes,
        "keep_seconds": told.keep_seconds,
        "recorder": told.version,
        "pid": told.pid,
        "host": told.host,
        "since": moment(told.since_us),
        "alone": told.alone,
        "lag_seconds": told.lag_seconds,
        "events": told.events,
        "last_event": None if told.last_event_us is None else moment(told.last_event_us),
        "dropped": told.dropped,
    }


def without_a_look(place: Place, recorder: Reading[RecorderState]) -> pd.DataFrame:
    """The same row while the history cannot be read."""
    return row_frame([{**dict.fromkeys(COLUMNS), **about(place, recorder)}], COLUMNS)


def written(connection: Connection, now: datetime) -> Written:
    began, kept = began_us(connection), kept_from_us(connection)
    told = tasks.c.state != STATES.index("PENDING")  # that, a client tells
    columns = (tasks.c.last_us, tasks.c.sent_us, tasks.c.name)
    newest = select(*columns).where(told).order_by(tasks.c.last_us.desc()).limit(SEEN)
    rows = connection.execute(newest).all()
    last_us = rows[0].last_us if rows else None
    # Whoever heard of a task within the hour need not look for what workers say that they took on.
    accepted = (last_us or 0) >= microseconds(now - HOUR) or was_accepted(connection, last_hour(now))
    return Written(
        began=None if began is None else moment(began),
        kept_from=moment(kept) if kept and kept > (began or 0) else None,
        tasks_seen=len(rows),
        tasks_sent=sum(row.sent_us is not None for row in rows),
        unsent=unsent(connection, rows),
        task_seen_last=None if last_us is None else moment(last_us),
        accepted=accepted,
    )


def unsent(connection: Connection, rows: Sequence[Any]) -> list[str]:
    """The names of tasks of which nobody tells when they are sent. Few may have been sent before anybody listened."""
    seen = Counter(row.name for row in rows if row.name is not None)
    told = {row.name for row in rows if row.sent_us is not None}
    silent = [name for name, count in seen.items() if count >= FEW and name not in told]
    return sorted(name_texts(connection, silent).values())


def last_hour(now: datetime) -> Window:
    end = floor_time(now, STEP)
    return Window(end - HOUR, end, STEP)
