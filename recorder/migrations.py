"""Making a history's tables, and bringing older ones up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data_sources import schema
from data_sources.history.place import Place, check_meta
from data_sources.microseconds import now_us
from recorder.database import Database

# What leads from a version to the next, in the order of their numbers; each works on SQLite and PostgreSQL.
MIGRATIONS: Mapping[int, Sequence[str]] = {}


def bring_up_to_date(database: Database, place: Place) -> None:
    """Makes the tables, or changes older ones after a backup. Raises QueryRejected for another's or a newer history."""
    if database.is_new:
        create(database, place)
    check_meta(read_meta(database), place)
    version = int(read_meta(database)["schema_version"])
    if version == schema.VERSION:
        return
    database.back_up(version)
    with database.transaction():  # PostgreSQL takes a CREATE or ALTER back too
        for step in range(version, schema.VERSION):
            for statement in MIGRATIONS[step]:
                database.execute(statement)
        write_meta(database, {"schema_version": str(schema.VERSION)})


def create(database: Database, place: Place) -> None:
    with database.transaction():
        database.create()
        write_meta(
            database,
            {
                "schema_version": str(schema.VERSION),
                "cluster": place.cluster,
                "fingerprint": place.fingerprint,
                "began_us": str(now_us()),
                "kept_from_us": "0",
            },
        )


def read_meta(database: Database) -> dict[str, str]:
    return dict(database.query('SELECT "key", "value" FROM meta'))


def write_meta(database: Database, entries: Mapping[str, str]) -> None:
    database.upsert(schema.meta, entries.items())
