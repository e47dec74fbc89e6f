"""A snapshot being made: all that a page asked is asked anew, sealed and kept. It takes a while, so it has a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data_sources import ask
from data_sources.errors import SourceError
from data_sources.query import Query
from data_sources.scope import Scope
from data_sources.sealed import sealing
from data_sources.sealed.answers import Sealed
from data_sources.sealed.file import BrokenSeal, write
from workspace import snapshots
from workspace.opened import opened
from workspace.snapshots import Snapshot

log = logging.getLogger(__name__)

LANES = ThreadPoolExecutor(2, "make snapshots")
MOST_WAITING = 10  # of all who look at pages of this process

_waiting = threading.Semaphore(MOST_WAITING)


@dataclass(frozen=True)
class Wanted:
    """What a snapshot is made of, for whom, and for how long. `notebook`: the text of a notebook's page."""

    asked: Sequence[tuple[Query, Scope]]
    title: str
    link: str
    made_by: str
    life: timedelta
    notebook: str = ""


class Making:
    """`stage` is making, made or failed; then `snapshot` is what was kept, or `problem` says why nothing was.

    `missing`: what could not be had, a line each; it is in the snapshot as a failure.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.link = wanted.link
        self.stage, self.problem = "making", ""
        self.done, self.total = 0, len(wanted.asked)
        self.missing: list[str] = []
        self.snapshot: Snapshot | None = None
        if _waiting.acquire(blocking=False):
            LANES.submit(self._make, wanted).add_done_callback(lambda _: _waiting.release())
        else:
            self._fail("Too many snapshots are being made just now; try again in a minute.")

    def _make(self, wanted: Wanted) -> None:
        try:
            entries = sealing.entries(wanted.asked, self._tell)
            self.missing = sealing.missing(entries)
            sealed = Sealed(
                wanted.title, wanted.link, wanted.made_by, datetime.now(UTC), entries, notebook=wanted.notebook
            )
            self.snapshot = snapshots.keep(
                opened(),
                write(sealed),
                title=wanted.title,
                made_by=wanted.made_by,
                link=wanted.link,
                answers=len(entries),
                life=wanted.life,
                identified=ask.desk().settings.access.identified,
            )
            self.stage = "made"
        except SourceError as error:
            self._fail(". ".join(filter(None, (f"The workspace {error.what}", error.hint))) + ".")
        except BrokenSeal as error:
            self._fail(f"It {error}. Choose a shorter range.")
        except Exception:
            log.exception("unexpected error while making a snapshot")
            self._fail("It failed here; the log has why.")

    def _tell(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def _fail(self, problem: str) -> None:
        self.stage, self.problem = "failed", problem
