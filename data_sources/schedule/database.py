"""django-celery-beat's entries, read from its tables through a database URL of one's own; nothing is written.

As its models and migrations up to 0019 have them (version 2.9); columns that an older one lacks are not known.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from data_sources.config import Secret
from data_sources.errors import SourceUnreachable
from data_sources.history.place import reason
from data_sources.note import Note
from data_sources.schedule.entry import DATABASE, Entry, count_of, shown, text_of
from data_sources.schedule.forms import Form, Once, Other, Solar, read_crontab, read_interval

MOST_ENTRIES = 2_000
STATEMENT_SECONDS = 3.0
UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1, "microseconds": 1e-6}
KINDS = ("crontab", "interval", "clocked", "solar")

Row = Mapping[str, Any]


def read_database(url: Secret) -> tuple[tuple[Entry, ...], tuple[Note, ...]]:
    """Every entry, by name. Raises SourceUnreachable."""
    engine = open_readonly(url)
    try:
        with engine.connect() as connection:
            rows = read_table(connection, "periodictask", f"ORDER BY name LIMIT {MOST_ENTRIES + 1}")
            tables = {kind: schedules(connection, kind, rows) for kind in KINDS}
    except SQLAlchemyError as error:
        hint = "BEAT_DATABASE_URL names the database with the tables of django-celery-beat"
        raise SourceUnreachable(DATABASE, f"{address(url)}: {why(error)}", hint) from error
    finally:
        engine.dispose()
    notes = (Note(f"There are more than {MOST_ENTRIES:,} entries", "cut"),) if len(rows) > MOST_ENTRIES else ()
    return tuple(entry(row, tables) for row in rows[:MOST_ENTRIES]), notes


def open_readonly(url: Secret) -> Engine:
    """A connection at a time, which can read alone."""
    parts = make_url(url.reveal())
    if parts.drivername == "sqlite":
        file = f"file:{quote('/' + (parts.database or '').lstrip('/'))}?mode=ro"
        return create_engine("sqlite://", creator=partial(sqlite3.connect, file, uri=True), poolclass=NullPool)
    settings = {"default_transaction_read_only": "on", "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}"}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    connect_args = {"options": options, "connect_timeout": 3, "application_name": "celery-notebook"}
    return create_engine(parts.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args=connect_args)


def address(url: Secret) -> str:
    """For people: never a user, a password or a place on the server."""
    parts = make_url(url.reveal())
    if parts.drivername == "sqlite":
        return str(parts.database).rsplit("/", 1)[-1]
    return f"{parts.host or 'localhost'}:{parts.port or 5432}/{parts.database or ''}"


def why(error: SQLAlchemyError) -> str:
    said = str(error)
    if "no such table" in said or "does not exist" in said:
        return "it has no table django_celery_beat_periodictask"
    return reason(error) if isinstance(error, DBAPIError) else type(error).__name__


def read_table(connection: Connection, name: str, end: str = "") -> list[Row]:
    return [dict(row) for row in connection.execute(text(f"SELECT * FROM django_celery_beat_{name} {end}")).mappings()]


def schedules(connection: Connection, kind: str, rows: list[Row]) -> dict[Any, Row]:
    """The rows of a kind of schedule, by id, where entries name any."""
    if not any(row.get(f"{kind}_id") is not None for row in rows):
        return {}
    return {row["id"]: row for row in read_table(connection, f"{kind}schedule", f"LIMIT {10 * MOST_ENTRIES}")}


def entry(row: Row, tables: Mapping[str, Mapping[Any, Row]]) -> Entry:
    kind = next((kind for kind in KINDS if row.get(f"{kind}_id") is not None), "")
    options = {name: row.get(name) for name in ("queue", "exchange", "routing_key", "priority", "expire_seconds")}
    limits = {name: row.get(name) for name in ("start_time", "expires") if row.get(name)}
    return Entry(
        name=text_of(row.get("name")) or "",
        task=text_of(row.get("task")),
        form=read_form(kind, tables[kind].get(row[f"{kind}_id"]) if kind else None),
        source=DATABASE,
        args=shown(parsed(row.get("args"))),
        kwargs=shown(parsed(row.get("kwargs"))),
        queue=text_of(row.get("queue")),
        options=shown({name: value for name, value in (options | limits).items() if value is not None}),
        enabled=bool(row.get("enabled")) and not is_over(row),
        last_run_at=moment(row.get("last_run_at")),
        total_run_count=count_of(row.get("total_run_count")),
        not_before=moment(row.get("start_time")),
    )


def is_over(row: Row) -> bool:
    expires = moment(row.get("expires"))
    return expires is not None and expires <= datetime.now(UTC)


def parsed(said: Any) -> Any:
    """Arguments are JSON in a text; what is none is shown as it stands."""
    with suppress(ValueError, RecursionError):
        return json.loads(said) if isinstance(said, str) else None
    return said


def read_form(kind: str, row: Row | None) -> Form:
    if row is None:
        return Other("not known")
    match kind:
        case "interval":
            every, unit = row.get("every"), UNITS.get(str(row.get("period")))
            return read_interval(every * unit) if isinstance(every, int) and unit else Other("not known")
        case "crontab":
            return read_crontab(row, str(row.get("timezone") or "UTC"))
        case "clocked":
            at = moment(row.get("clocked_time"))
            return Once(at) if at else Other("not known")
    return Solar(str(row.get("event"))[:40], float(row.get("latitude") or 0), float(row.get("longitude") or 0))


def moment(said: Any) -> datetime | None:
    """Django writes UTC, on SQLite as text without an offset."""
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else said
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC) if isinstance(at, datetime) else None
    except (ValueError, OverflowError):
        return None
