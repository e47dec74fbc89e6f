"""Since when workers told of their tasks in events, and whether they did in a window."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, exists, func, select

from data_sources.history.sampled import read_samples
from data_sources.microseconds import SECOND_US, microseconds, moment
from data_sources.note import Note
from data_sources.schema import COUNTED, FINAL, LEVELS, STATES, dirty, rollups, tasks
from data_sources.scope import Window

HOUR = LEVELS[-1]
ENDED = [STATES.index(state) for state in FINAL]


def events_recorded(connection: Connection, window: Window) -> bool:
    """Whether a task did something in `window`, as far as workers tell in events, or nothing was accepted either."""
    start, end = microseconds(window.start), microseconds(window.end)
    rolled = exists().where(
        rollups.c.level == HOUR, rollups.c.at > start // SECOND_US - HOUR, rollups.c.at <= end // SECOND_US
    )
    told = exists().where(
        tasks.c.last_us >= start,
        tasks.c.last_us < end + SECOND_US,
        tasks.c.state != STATES.index("PENDING"),  # that, a client tells
    )
    if connection.execute(select(rolled | told)).scalar():
        return True
    ever = connection.execute(select(exists().select_from(tasks))).scalar()
    return bool(ever) and not was_accepted(connection, window)


def was_accepted(connection: Connection, window: Window) -> bool:
    """Whether workers took on tasks in it, by their totals."""
    accepted, _ = read_samples(connection, COUNTED, "", window)
    return bool((accepted["value"] > 0).any())


def mute_until(connection: Connection, window: Window) -> int | None:
    """When workers began to send events, where they worked in the part of `window` before that; microseconds."""
    first = first_heard(connection)
    if first is None or first <= microseconds(window.start):
        return None
    last = window.start + (moment(first) - window.start) // window.step * window.step
    return first if was_accepted(connection, replace(window, end=min(window.end, last))) else None


def first_heard(connection: Connection) -> int | None:
    """When the first task that ended was heard of, in microseconds."""
    hours = select(func.min(rollups.c.at)).where(rollups.c.level == HOUR)
    found = [connection.execute(query).scalar() for query in (hours, select(func.min(dirty.c.at)))]
    begun = min((at for at in found if at is not None), default=None)
    if begun is None:
        return None
    inside = (tasks.c.last_us >= begun * SECOND_US, tasks.c.last_us < (begun + HOUR) * SECOND_US)
    query = select(tasks.c.received_us, tasks.c.started_us, tasks.c.last_us).where(*inside, tasks.c.state.in_(ENDED))
    row = connection.execute(query.order_by(tasks.c.last_us).limit(1)).one_or_none()
    known = [int(at) for at in row if at is not None] if row else [int(begun) * SECOND_US]
    return min(known)


def mute_note(until_us: int | None) -> tuple[Note, ...]:
    """What nothing but events tells of is not known before then."""
    if until_us is None:
        return ()
    return (Note("No task events recorded: until then workers sent none", "gap", None, moment(until_us)),)
