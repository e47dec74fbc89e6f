"""The database of a place."""

from __future__ import annotations

from data_sources.history.place import Place, SqlitePlace
from recorder.database import Database
from recorder.sqlite_database import SqliteDatabase


def open_database(place: Place) -> Database:
    """Raises StoreFailed."""
    if isinstance(place, SqlitePlace):
        return SqliteDatabase(place.path)
    from recorder.postgres_database import PostgresDatabase  # its driver takes long to import, and a file needs none

    return PostgresDatabase(place)
