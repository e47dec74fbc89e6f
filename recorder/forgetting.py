"""What nothing names any more: cells of roll-ups, series of samples, and names of tasks, queues and workers.

Others choose names, and may choose new ones all the time, as containers do; there is a most of each, and a reader goes
through all cells. So now and then everything that is kept is passed through, a piece a step, and what was not met goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from data_sources.history.sample_rows import unpack
from data_sources.microseconds import SECOND_US
from data_sources.schema import KINDS, LEVELS, SAMPLE_LEVELS
from recorder.interned import Interned
from recorder.names import Names
from recorder.store import Store
from recorder.thinning import ROLLUP_PIECE, SAMPLE_PIECE

FIRST_SECONDS = 600  # after a start
EVERY_SECONDS = 6 * 3_600
TASKS_PIECE = 10_000  # rows looked at in one step, in their index alone


class Forgetting:
    """One piece a step, in the thread of the store. What comes into use meanwhile is noted, and stays."""

    def __init__(self, store: Store, cells: Interned) -> None:
        self._store = store
        self._database = store.database
        self._cells = cells
        self._due_us: int | None = None
        self._passing: Iterator[None] | None = None

    def step(self, now_us: int) -> bool:
        """Goes on with a pass that is due; False: there is none. Raises StoreFailed, and then begins again later."""
        if self._due_us is None:
            self._due_us = now_us + FIRST_SECONDS * SECOND_US
        if self._passing is None and now_us < self._due_us:
            return False
        passing, self._passing = self._passing or self._pass(), None
        self._due_us = now_us + EVERY_SECONDS * SECOND_US
        for _ in passing:
            self._passing = passing
            return True
        return False

    def _pass(self) -> Iterator[None]:
        tables: list[Interned | Names] = [self._cells, self._store.series, self._store.names]
        for table in tables:
            table.watch()
        used = set[int]()
        for level in LEVELS:  # the finest first: what is made coarser meanwhile is met there
            for start, end in self._pieces("rollups", level, ROLLUP_PIECE[level]):
                used |= self._found("SELECT DISTINCT cell FROM rollups", level, start, end)
                yield
        yield from self._cells.drop_unused(used)
        used = set()
        for level in SAMPLE_LEVELS:
            for start, end in self._pieces("samples", level, SAMPLE_PIECE[level]):
                for series in self._found("SELECT DISTINCT series FROM samples", level, start, end):
                    used.update(unpack("I", series))
                yield
        yield from self._store.series.drop_unused(used)
        used = set()
        for names in self._names_of_tasks():
            used |= names
            yield
        for kind in KINDS:  # after the tasks: cells are made of them
            used |= {name for (name,) in self._database.query(f"SELECT DISTINCT {kind} FROM cells")}
        yield from self._store.names.drop_unused(used)

    def _pieces(self, table: str, level: int, piece: int) -> Iterator[tuple[int, int]]:
        """Stretches of time that hold all rows of a level."""
        end = 0
        while True:
            at = self._database.query(f"SELECT min(at) FROM {table} WHERE level = ? AND at >= ?", (level, end))[0][0]
            if at is None:
                return
            end = at + piece
            yield at, end

    def _found(self, select: str, level: int, start: int, end: int) -> set[Any]:
        rows = self._database.query(f"{select} WHERE level = ? AND at >= ? AND at < ?", (level, start, end))
        return {value for (value,) in rows}

    def _names_of_tasks(self) -> Iterator[set[int]]:
        """Those of all rows, some thousand rows at a time."""
        start = -1
        while True:
            last = self._database.query(
                f"SELECT last_us FROM tasks WHERE last_us > ? ORDER BY last_us LIMIT 1 OFFSET {TASKS_PIECE}", (start,)
            )
            until, parameters = (" AND last_us <= ?", (start, last[0][0])) if last else ("", (start,))
            rows = self._database.query(
                f"SELECT DISTINCT name, queue, worker FROM tasks WHERE last_us > ?{until}", parameters
            )
            yield {number for row in rows for number in row if number is not None}
            if not last:
                return
            start = last[0][0]
