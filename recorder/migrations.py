"""Making a history's tables, and bringing older ones up to date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from data_sources import schema
from data_sources.history.place import Place, check_meta
from data_sources.history.sample_rows import packed
from data_sources.microseconds import now_us
from recorder.database import Database

PIECE = 600  # moments of samples that are packed at once


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
            MIGRATIONS[step](database)
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


def pack_samples(database: Database) -> None:
    """A row for all series of a moment instead of one each."""
    database.execute("ALTER TABLE samples RENAME TO samples_1")
    database.create([schema.samples])
    for level in schema.SAMPLE_LEVELS:
        [(first, last)] = database.query("SELECT min(at), max(at) FROM samples_1 WHERE level = ?", (level,))
        for start in range(first or 0, (last or -1) + 1, PIECE * level):
            rows = database.query(
                "SELECT at, measure, label, series, value, span FROM samples_1 JOIN series ON series.id = series"
                " WHERE level = ? AND at >= ? AND at < ?",
                (level, start, start + PIECE * level),
            )
            groups: defaultdict[tuple[int, str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
            for at, measure, label, series, value, span in rows:
                groups[at, measure, label][series] = value, span
            database.upsert(schema.samples, [(level, *key, *packed(group)) for key, group in groups.items()])
    database.execute("DROP TABLE samples_1")


# What leads from a version to the next; each works on SQLite and PostgreSQL.
MIGRATIONS: Mapping[int, Callable[[Database], None]] = {1: pack_samples}
