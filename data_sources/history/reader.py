"""A history, opened to be read: its answers of the moment as they are kept, and transactions for all the rest."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from data_sources.errors import QueryRejected, SourceUnreachable
from data_sources.history.extent import began_us
from data_sources.history.place import NOT_UTF8, READ_SECONDS, SOURCE, Place, is_damage, reason
from data_sources.microseconds import moment
from data_sources.schema import latest

STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, at the clock: some tenths of a millisecond


@dataclass(frozen=True)
class LatestRow:
    """An answer of the moment as it is kept: `body` and `failure` are JSON, see data_sources/latest.py."""

    kind: str
    measured_us: int | None
    took_us: int
    failure: str | None
    body: str | None


class HistoryReader:
    """Reads the history at `place`; threads may share it. It is opened when it is first asked, after a failure, and
    when another file has taken the place of the one that is open.

    What is asked raises SourceUnreachable when the history is not there or not readable, QueryRejected when the answer
    takes longer than READ_SECONDS.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._engine: Engine | None = None
        self._which: object = None  # that is open
        self._spoiled = False  # a text in it is none any more
        self._opening = threading.Lock()

    def close(self) -> None:
        with self._opening:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction: everything read in it is of one moment."""
        engine = self._opened()
        try:
            with engine.connect() as connection, time_limit(connection), connection.begin():
                yield connection
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            if interrupted(error):
                what = f"the answer takes longer than {READ_SECONDS:g} s"
                raise QueryRejected(SOURCE, what, "Narrow the time or the filter") from error
            self.close()
            self._spoiled = self._spoiled or NOT_UTF8 in str(error)
            told = is_damage(error) and self.place.suspect()
            hint = "The recorder reads it through, and saves what can be read" if told else "It is tried again"
            raise SourceUnreachable(SOURCE, f"{self.place.address}: {reason(error)}", hint) from error

    def _opened(self) -> Engine:
        which = self.place.which()
        if which != self._which:
            self.close()
        with self._opening:
            if self._engine is None:
                self._engine, self._which = self.place.open_readonly(self._spoiled), which
            return self._engine

    def look(self, kinds: Iterable[str]) -> tuple[dict[str, LatestRow | None], datetime | None]:
        """The answers of the moment of `kinds`, and when the recording began; None where there is none yet."""
        with self.reading() as connection:
            rows, at_us = {kind: read_latest(connection, kind) for kind in kinds}, began_us(connection)
        return rows, None if at_us is None else moment(at_us)

    def latest(self, kind: str) -> LatestRow | None:
        """The answer of the moment of `kind`: workers, queues, recorder ...; None until there is one."""
        with self.reading() as connection:
            return read_latest(connection, kind)


def read_latest(connection: Connection, kind: str) -> LatestRow | None:
    row = connection.execute(select(latest).where(latest.c.kind == kind)).one_or_none()
    return LatestRow(*row) if row else None


@contextmanager
def time_limit(connection: Connection) -> Iterator[None]:
    """Of all reads together on SQLite; a PostgreSQL connection comes with one for each."""
    raw = cast(Any, connection.connection.dbapi_connection)
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    ends = time.monotonic() + READ_SECONDS
    raw.set_progress_handler(lambda: time.monotonic() > ends, STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def interrupted(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT" or getattr(cause, "sqlstate", "") == "57014"
