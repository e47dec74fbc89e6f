"""How long tasks are kept: so long, and within so many bytes. Roll-ups outlive the rows they were made of.

What is to go moves `meta.kept_from_us` first: from then on nothing older is taken in and no minute before it is made
anew, so that rows can go bit by bit, and go on going after a crash, while the sums over roll-ups stay.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from data_sources.microseconds import MICROSECOND, SECOND_US
from data_sources.scope import format_duration
from recorder.migrations import read_meta, write_meta
from recorder.store import MINUTE, Store

log = logging.getLogger(__name__)

MINUTE_US = MINUTE * SECOND_US
CHUNK = 2_000  # rows in one transaction
# In meta, each with the bound it was found under:
DISK_FITS = "disk_fits"  # how much a full disk had room for
ROOM_INSIDE = "room_inside"  # what the files took after a purge
KEPT_SECONDS = "kept_seconds"  # in meta: what `Keep.tasks` was the last time
ROOM_SECONDS = 5.0  # of deleting after the disk was full; the rest goes as always
ROOM = 0.95  # of the size is left full, so that the next purge is not due at once


@dataclass(frozen=True)
class Keep:
    """Task rows: at most so old, and all of the history within `size_bytes`."""

    tasks: timedelta = timedelta(days=7)
    size_bytes: int = 2_000_000_000


class Retention:
    """One chunk a step, in the thread of the store."""

    def __init__(self, store: Store, keep: Keep) -> None:
        self._store = store
        self._database = store.database
        self._keep = keep
        self._fits = self._remembered(DISK_FITS, keep.size_bytes) or keep.size_bytes  # less once the disk was full
        self.size_bytes: int | None = None  # as of the last step
        self._purging_at_bytes: int | None = None  # what the history took when a purge for its size began
        self._tell_if_shorter()

    def step(self, now_us: int) -> bool:
        """Deletes some of the oldest rows that are due; False: there is nothing to do. Raises StoreFailed."""
        if self._delete_chunk():
            return True
        wanted_us = max(floor_minute(now_us - self._keep.tasks // MICROSECOND), self._by_size_us())
        horizon_us = min(wanted_us, self._rolled_up_to_us(now_us))
        if horizon_us > self._store.kept_from_us:
            self._store.keep_from(horizon_us)
            return self._delete_chunk()
        if self._database.fill_reserve() and self._fits < self._keep.size_bytes:  # there is room again
            self._fits = self._keep.size_bytes
            self._remember(DISK_FITS, self._keep.size_bytes, self._fits)
        return self._database.shrink()

    def make_room(self, now_us: int) -> None:
        """After StoreFull: some of the oldest rows go, and no more is kept than there was room for. Raises StoreFailed.

        Only when a reserve could be freed, which is there again when the disk has room: a disk that others fill costs
        no more than once.
        """
        if self._database.free_reserve():
            self._fits = int(ROOM * self._database.size_bytes())
            log.warning(
                "the disk is full: the history is kept within %.1f MB, where its oldest tasks go", self._fits / 1e6
            )
            ends = time.monotonic() + ROOM_SECONDS
            while self.step(now_us) and time.monotonic() < ends:
                pass
            self._remember(DISK_FITS, self._keep.size_bytes, self._fits)

    def _tell_if_shorter(self) -> None:
        """Much goes at once when tasks are to be kept for less time than before."""
        before, now = read_meta(self._database).get(KEPT_SECONDS), round(self._keep.tasks.total_seconds())
        if before == str(now):
            return
        with self._database.transaction():
            write_meta(self._database, {KEPT_SECONDS: str(now)})
        if before and int(before) > now:
            log.warning(
                "HISTORY_KEEP is %s and was %s: older tasks go now",
                format_duration(self._keep.tasks),
                format_duration(timedelta(seconds=int(before))),
            )

    def _delete_chunk(self) -> bool:
        """Some of the rows that are older than what is kept; whether there were any."""
        oldest = "SELECT seq FROM tasks WHERE last_us < ? ORDER BY last_us LIMIT ?"
        parameters = (self._store.kept_from_us, CHUNK)
        with self._database.transaction():
            self._database.execute(f"DELETE FROM texts WHERE seq IN ({oldest})", parameters)
            return self._database.execute(f"DELETE FROM tasks WHERE seq IN ({oldest})", parameters) > 0

    def _by_size_us(self) -> int:
        """From when rows can be kept so that all fits, estimated; 0 while it does.

        PostgreSQL's files keep their size and take new rows where old ones were. So a purge that freed little has made
        room inside, and the next is due when they grow.
        """
        size, fits = self._database.size_bytes(), self._fits
        self.size_bytes = size
        if self._purging_at_bytes is not None:
            if self._purging_at_bytes - size < (self._purging_at_bytes - ROOM * fits) / 2:
                self._remember(ROOM_INSIDE, fits, size)
            self._purging_at_bytes = None
        if size <= max(fits, self._remembered(ROOM_INSIDE, fits)):
            return 0
        self._purging_at_bytes = size
        first, last = self._database.query("SELECT (SELECT min(seq) FROM tasks), (SELECT max(seq) FROM tasks)")[0]
        too_many = 0 if first is None else int((last - first + 1) * (1 - ROOM * fits / size))
        rows = self._database.query("SELECT last_us FROM tasks ORDER BY last_us LIMIT 1 OFFSET ?", (too_many,))
        return floor_minute(rows[0][0]) + MINUTE_US if rows else 0

    def _remember(self, key: str, bound: int, size: int) -> None:
        """For the next recorder too: each would find it out at the cost of old tasks."""
        with self._database.transaction():
            write_meta(self._database, {key: f"{bound} {size}"})

    def _remembered(self, key: str, bound: int) -> int:
        """0: nothing was found under this bound."""
        found_under, _, size = read_meta(self._database).get(key, "").partition(" ")
        return int(size) if found_under == str(bound) else 0

    def _rolled_up_to_us(self, now_us: int) -> int:
        """Minutes before this are over, and their roll-ups are current."""
        oldest = self._database.query("SELECT min(at) FROM dirty WHERE level = ?", (MINUTE,))[0][0]
        this_minute_us = floor_minute(now_us)
        return this_minute_us if oldest is None else min(this_minute_us, oldest * SECOND_US)


def floor_minute(time_us: int) -> int:
    return time_us - time_us % MINUTE_US
