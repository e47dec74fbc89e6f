"""What a reader tells of a damaged file: it left a mark beside it, and the whole file is read to see.

A start looks for damage for half a second, and what is written meets little of a big file. Readers meet the rest.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from data_sources.history.place import is_damage, mark_beside
from recorder.database import StoreCorrupt

log = logging.getLogger(__name__)

REST_SECONDS = 600.0  # after a look that found nothing: a file of some gigabytes takes a minute
STEPS = 10_000  # of SQLite's machine, between two questions whether to go on
STOP_SECONDS = 1.0


class Suspicion:
    """Of the file at `path`. It is read in a thread, by a connection of its own: recording goes on meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = mark_beside(path)
        self._found = ""
        self._rests_until = 0.0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def heed(self) -> None:
        """Begins to look when there is a mark. Raises StoreCorrupt when damage was found."""
        if self._found:
            raise StoreCorrupt(f"{self._path} is damaged: {self._found}")
        if time.monotonic() < self._rests_until or (self._thread and self._thread.is_alive()):
            return
        if self._mark.exists():
            with suppress(OSError):
                self._mark.unlink()
            log.warning("%s: a reader met damage; the whole file is read, while recording goes on", self._path)
            self._thread = threading.Thread(target=self._look, name=f"look through {self._path.name}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        self._ending.set()
        if self._thread:
            self._thread.join(STOP_SECONDS)

    def _look(self) -> None:
        self._found = self._damage()
        self._rests_until = time.monotonic() + REST_SECONDS
        if not self._found:
            log.info("%s: no damage was found", self._path)

    def _damage(self) -> str:
        """What is wrong with it; empty when nothing is, or when it cannot be told."""
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True)) as connection:
                connection.set_progress_handler(self._ending.is_set, STEPS)
                (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                log.warning("%s could not be read through: %s", self._path, error)
                return ""
            return str(error)
        return "" if said == "ok" else str(said).splitlines()[-1]
