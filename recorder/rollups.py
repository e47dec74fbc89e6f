"""Roll-ups, made anew from rows whenever a minute's rows changed: exact, whenever the recorder ends.

A minute's buckets of 10 s and 60 s are replaced from its rows, an hour's from its minutes, and the mark that said
they are not current goes in the same transaction. Until then readers go to the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from data_sources import schema
from data_sources.history import bucket_counts
from data_sources.history.sketch import joined, packed
from data_sources.microseconds import SECOND_US
from data_sources.schema import LEVELS
from recorder.database import Row
from recorder.interned import Interned
from recorder.store import FINAL, Store

TEN_SECONDS, MINUTE, HOUR = LEVELS
GRACE_SECONDS = 5  # after a minute's end: most of its tasks are known by then, and it is made once


class Rollups:
    """Brings roll-ups up to date, a minute or an hour at a time, in transactions of the store's connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self.cells = Interned(schema.cells, store.database)

    def step(self, now_us: int) -> bool:
        """Makes the oldest minute, or hour, that is over and not current; False: there is none. Raises StoreFailed."""
        over = now_us // SECOND_US - GRACE_SECONDS
        for level, make in ((MINUTE, self._make_minute), (HOUR, self._make_hour)):
            at = self._due(level, over)
            if at is not None:
                try:
                    with self._database.transaction():
                        make(at)
                except BaseException:
                    self.cells.forget()
                    raise
                return True
        return False

    def _due(self, level: int, over: int) -> int | None:
        rows = self._database.query("SELECT min(at) FROM dirty WHERE level = ? AND at <= ?", (level, over - level))
        return rows[0][0] if rows else None

    def _make_minute(self, at: int) -> None:
        self._clear(TEN_SECONDS, at, at + MINUTE)
        self._clear(MINUTE, at, at + MINUTE)
        found: defaultdict[Row, list[Row]] = defaultdict(list)
        for row in self._finished(at):
            found[row[:5]].append(row[5:])
        rollups, sketches = list[Row](), list[Row]()
        tens: defaultdict[int, list[tuple[Row, bytes | None, bytes | None]]] = defaultdict(list)
        for (second, *cell), rows in found.items():
            key = (TEN_SECONDS, second, self.cells.id_of(tuple(cell)))
            sums, wait, runtime = summed(rows)
            rollups.append((*key, *sums))
            sketches.append((*key, wait, runtime))
            tens[key[-1]].append((sums, wait, runtime))
        for number, parts in tens.items():
            sums_of, waits, runtimes = zip(*parts, strict=True)
            rollups.append((MINUTE, at, number, *map(sum, zip(*sums_of, strict=True))))
            sketches.append((MINUTE, at, number, joined(waits), joined(runtimes)))
        self.cells.flush()
        self._write_rollups(rollups)
        self._write_sketches(sketches)
        self._database.execute("DELETE FROM dirty WHERE level = ? AND at = ?", (MINUTE, at))
        self._database.upsert(schema.dirty, [(HOUR, at - at % HOUR)])

    def _make_hour(self, at: int) -> None:
        self._clear(HOUR, at, at + HOUR)
        minutes = "WHERE level = ? AND at >= ? AND at < ?"
        sums = self._database.query(
            "SELECT cell, sum(count), sum(retries), sum(waits), sum(wait_us), sum(runtimes), sum(runtime_us)"
            f" FROM rollups {minutes} GROUP BY cell",
            (MINUTE, at, at + HOUR),
        )
        self._write_rollups([(HOUR, at, *map(int, row)) for row in sums])
        waits: defaultdict[int, list[bytes | None]] = defaultdict(list)
        runtimes: defaultdict[int, list[bytes | None]] = defaultdict(list)
        for cell, wait, runtime in self._database.query(
            f"SELECT cell, wait, runtime FROM sketches {minutes}", (MINUTE, at, at + HOUR)
        ):
            waits[cell].append(wait)
            runtimes[cell].append(runtime)
        self._write_sketches((HOUR, at, cell, joined(waits[cell]), joined(runtimes[cell])) for cell in waits)
        self._database.execute("DELETE FROM dirty WHERE level = ? AND at = ?", (HOUR, at))

    def _finished(self, at: int) -> list[Row]:
        """The minute's rows: the ten seconds it is of, the four of its cell, retries, wait_us and runtime_us."""
        states = ", ".join(map(str, sorted(FINAL)))
        return self._database.query(
            f"SELECT finished_us / {TEN_SECONDS * SECOND_US} * {TEN_SECONDS},"
            " coalesce(name, 0), coalesce(queue, 0), coalesce(worker, 0), state,"
            " coalesce(retries, 0), wait_us, runtime_us"
            f" FROM tasks WHERE last_us >= ? AND last_us < ? AND state IN ({states}) AND finished_us IS NOT NULL",
            (at * SECOND_US, (at + MINUTE) * SECOND_US),  # of what has finished, that is when it did last something
        )

    def _clear(self, level: int, start: int, end: int) -> None:
        for table in (schema.rollups, schema.counts, schema.sketches):
            self._database.execute(
                f"DELETE FROM {table.name} WHERE level = ? AND at >= ? AND at < ?", (level, start, end)
            )

    def _write_rollups(self, rows: Sequence[Row]) -> None:
        self._database.upsert(schema.rollups, rows)
        self._database.upsert(schema.counts, bucket_counts.packed(row[:4] for row in rows))

    def _write_sketches(self, rows: Iterable[Row]) -> None:
        self._database.upsert(schema.sketches, [row for row in rows if row[-2] or row[-1]])


def summed(rows: Sequence[Row]) -> tuple[Row, bytes | None, bytes | None]:
    """What retries, wait_us and runtime_us of these come to: a roll-up's sums, and the sketches of wait and runtime.
    What is no number, or less than 0, has bits turned over, and is not known.
    """
    retries, waits, runtimes = ([n for n in column if type(n) is int and n >= 0] for column in zip(*rows, strict=True))
    sums = (len(rows), sum(retries), len(waits), sum(waits), len(runtimes), sum(runtimes))
    return sums, packed(waits), packed(runtimes)
