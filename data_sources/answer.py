"""What every source gives back, and everything that shows, exports or shares takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

import pandas as pd

from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import Query
from data_sources.scope import Window


@dataclass(frozen=True, eq=False)  # a frame has no equality that is true or false
class Answer:
    """The answer to `query`.

    `frame` has its promised columns and dtypes also when it is empty. A range result is tidy: `time`
    (datetime64[ms, UTC]), one categorical column a label, `value` (float64), series after series, each in
    the order of time; a hole has no row, Prometheus's NaN is NaN.
    """

    frame: pd.DataFrame
    query: Query
    units: Mapping[str, str] = field(default_factory=dict)  # column -> "bytes", "1/s", "s"
    window: Window | None = None  # None: a moment, not a stretch
    origin: str = ""  # "Prometheus 2.42 at prom:9090", never a password
    measured_at: datetime | None = None  # age = now - this; None: not yet
    took: timedelta = timedelta(0)
    notes: tuple[Note, ...] = ()
    totals: Mapping[str, int | None] = field(default_factory=dict)  # what is known only for all rows together
    next: Query | None = None  # what gives the page after this one, of an answer that has pages
    failure: Failure | None = None
    lasts: timedelta = timedelta(0)  # how long it is as good as new, beyond what the page asks for

    @property
    def pending(self) -> bool:
        """Nothing came back yet, neither an answer nor a failure."""
        return self.measured_at is None and self.failure is None

    @property
    def stale(self) -> bool:
        """The frame is the last good one; a newer one could not be had."""
        return self.failure is not None and self.measured_at is not None

    @property
    def tells_now(self) -> bool:
        """Whether its window ends where it was measured, rather than at an earlier time that a link has frozen."""
        if self.window is None or self.measured_at is None or self.failure is not None:
            return False
        return self.measured_at - self.window.end <= self.window.step + timedelta(minutes=1)

    @cached_property
    def series(self) -> int:
        """How many series a range result has, by their labels; of a moment, how many rows."""
        labels = [column for column in self.frame.columns if column not in ("time", "value")]
        if self.window is None:
            return len(self.frame)
        return len(self.frame[labels].drop_duplicates()) if labels else int(not self.frame.empty)

    def noting(self, notes: Sequence[Note]) -> Answer:
        """This answer, with `notes` too."""
        return replace(self, notes=(*self.notes, *notes)) if notes else self

    def failed(self, failure: Failure) -> Answer:
        """This answer, kept, with what went wrong since."""
        return replace(self, failure=failure)
